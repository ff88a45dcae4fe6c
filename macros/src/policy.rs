//! How the cache is to behave: a `CachePolicy`, put together of options, or given.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, Expr, ExprLit, Ident, Lit, Result, spanned::Spanned};

use crate::{
    duration,
    options::{Errors, Setting},
};

/// Where the policy comes from.
pub(crate) enum Policy {
    /// The caller's own, whatever it costs to get it.
    Given(Expr),
    /// An expression that makes one of these options.
    Made(TokenStream),
}

/// Reads what is left of the options when those that are not about behaviour are gone.
pub(crate) fn of(settings: Vec<Setting>) -> Result<Policy> {
    let mut errors = Errors::default();
    let (given, made): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.name == "policy");
    let given = given.into_iter().next();
    let mut policy = quote!(::redis_manager::CachePolicy::new());
    for setting in &made {
        if given.is_some() {
            let message = format!("`{}` is a part of the policy: say it there", setting.name);
            errors.add(setting.name.span(), message);
        } else if let Some(call) = errors.keep(call(setting)) {
            policy.extend(call);
        }
    }
    errors.finish()?;
    Ok(given.map_or(Policy::Made(policy), |given| Policy::Given(given.value)))
}

/// The call that tells a policy of an option.
fn call(setting: &Setting) -> Result<TokenStream> {
    let name = setting.name.to_string();
    let value = match name.as_str() {
        "jitter" => share(&setting.value)?,
        "schema" => number(&setting.value)?,
        _ => time(&setting.value)?,
    };
    let method = match name.as_str() {
        "negative" => "negative_ttl",
        "stale" => "stale_for",
        name => name,
    };
    let span = setting.value.span();
    let method = Ident::new(method, Span::mixed_site().located_at(span));
    Ok(quote_spanned!(Span::mixed_site().located_at(span)=> .#method(#value)))
}

fn time(value: &Expr) -> Result<TokenStream> {
    match literal(value) {
        Some(Lit::Str(text)) => {
            let time = duration::parse(&text.value()).map_err(|why| Error::new(text.span(), why))?;
            Ok(made_of(time))
        }
        Some(other) => Err(Error::new(
            other.span(),
            "this has to be a time: a text as \"60s\", or an expression of type `Duration`",
        )),
        None => Ok(quote!(#value)),
    }
}

fn made_of(time: Duration) -> TokenStream {
    // Made of whole milliseconds, of which there are no more than a u64 holds.
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    quote!(::core::time::Duration::from_millis(#millis))
}

fn share(value: &Expr) -> Result<TokenStream> {
    let wrong = |span| Error::new(span, "this has to be a share of the time to live, from 0.0 to 1.0");
    match literal(value) {
        Some(Lit::Float(share)) if share.base10_parse::<f64>().is_ok_and(|share| share <= 1.0) => Ok(quote!(#value)),
        Some(other) => Err(wrong(other.span())),
        None if matches!(value, Expr::Unary(_)) => Err(wrong(value.span())),
        None => Ok(quote!(#value)),
    }
}

fn number(value: &Expr) -> Result<TokenStream> {
    match literal(value) {
        Some(Lit::Int(number)) if number.base10_parse::<u32>().is_ok() => Ok(quote!(#value)),
        Some(other) => Err(Error::new(other.span(), "this has to be a number, a `u32`")),
        None => Ok(quote!(#value)),
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Group(group) => literal(&group.expr),
        _ => None,
    }
}
