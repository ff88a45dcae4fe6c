//! What stands in the parentheses of the attribute.

use std::mem;

use proc_macro2::{Span, TokenStream};
use syn::{
    Error, Expr, ExprArray, ExprLit, Ident, Lit, LitStr, Result, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    punctuated::Punctuated,
    spanned::Spanned,
};

use crate::{
    policy::{self, Policy},
    template::Template,
};

/// The options, each of them read; whether the arguments that they name exist is for the [`Function`](crate::function::Function) to say.
pub(crate) struct Options {
    pub(crate) cache: LitStr,
    pub(crate) key: Written,
    pub(crate) tags: Vec<Written>,
    pub(crate) manager: Option<Expr>,
    pub(crate) policy: Policy,
    /// Where `negative` stands, if it does.
    pub(crate) negative: Option<Span>,
}

/// A template, and where it is written.
pub(crate) struct Written {
    pub(crate) template: Template,
    pub(crate) span: Span,
}

/// One option, as it is written.
pub(crate) struct Setting {
    pub(crate) name: Ident,
    pub(crate) value: Expr,
}

/// What went wrong, all of it, so that the compiler says it in one go.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

const NAMES: [&str; 10] = [
    "cache", "key", "ttl", "tags", "negative", "stale", "jitter", "schema", "policy", "manager",
];

impl Options {
    pub(crate) fn parse(options: TokenStream) -> Result<Self> {
        let settings = Punctuated::<Setting, Token![,]>::parse_terminated.parse2(options)?;
        let mut errors = Errors::default();
        let mut known: Vec<Setting> = Vec::new();
        for setting in settings {
            let name = setting.name.to_string();
            if !NAMES.contains(&name.as_str()) {
                let all = NAMES.join("`, `");
                errors.add(
                    setting.name.span(),
                    format!("there is no option `{name}`: there are `{all}`"),
                );
            } else if known.iter().any(|other| other.name == name) {
                errors.add(setting.name.span(), format!("`{name}` is given twice"));
            } else {
                known.push(setting);
            }
        }
        // A misspelt option is missing as well, and is told of already.
        errors.finish()?;
        errors.keep(say_what_is_missing(&known));
        let mut take = |name: &str| {
            let place = known.iter().position(|setting| setting.name == name)?;
            Some(known.swap_remove(place).value)
        };
        let (cache, key, tags) = (take("cache"), take("key"), take("tags"));
        let manager = take("manager");
        let cache = cache.and_then(|cache| errors.keep(name(&cache)));
        let key = key.and_then(|key| errors.keep(Written::parse(&key)));
        let tags = tags.map_or_else(Vec::new, |tags| errors.keep(list(&tags)).unwrap_or_default());
        let negative = known.iter().find(|setting| setting.name == "negative");
        let negative = negative.map(|setting| setting.name.span());
        let policy = errors.keep(policy::of(known));
        errors.finish()?;
        let (Some(cache), Some(key), Some(policy)) = (cache, key, policy) else {
            return Err(Error::new(Span::call_site(), "an option is wrong"));
        };
        Ok(Self {
            cache,
            key,
            tags,
            manager,
            policy,
            negative,
        })
    }
}

/// Asks for what no cache can be without, all at once.
fn say_what_is_missing(settings: &[Setting]) -> Result<()> {
    let has = |name: &str| settings.iter().any(|setting| setting.name == name);
    let mut missing: Vec<_> = ["cache", "key"].into_iter().filter(|name| !has(name)).collect();
    if !has("ttl") && !has("policy") {
        missing.push("ttl");
    }
    let Some(last) = missing.pop() else { return Ok(()) };
    let others = missing.join("`, `");
    let all = if others.is_empty() {
        format!("`{last}`")
    } else {
        format!("`{others}` and `{last}`")
    };
    let message =
        format!("`#[cached]` needs {all}, as in `#[cached(cache = \"users\", key = \"user:{{id}}\", ttl = \"60s\")]`");
    Err(Error::new(Span::call_site(), message))
}

fn name(value: &Expr) -> Result<LitStr> {
    let name = text(value)?;
    if name.value().is_empty() {
        return Err(Error::new(name.span(), "the name of a cache is not empty"));
    }
    Ok(name)
}

fn list(value: &Expr) -> Result<Vec<Written>> {
    let Expr::Array(ExprArray { elems, .. }) = value else {
        return Err(Error::new(
            value.span(),
            "tags are a list, as in `[\"tenant:{tenant}\"]`",
        ));
    };
    let mut errors = Errors::default();
    let tags = elems
        .iter()
        .filter_map(|tag| errors.keep(Written::parse(tag)))
        .collect();
    errors.finish()?;
    Ok(tags)
}

fn text(value: &Expr) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => Ok(text.clone()),
        Expr::Group(group) => text(&group.expr),
        other => Err(Error::new(
            other.span(),
            "this has to be a text in quotation marks, which is read while compiling",
        )),
    }
}

impl Written {
    fn parse(value: &Expr) -> Result<Self> {
        let text = text(value)?;
        let span = text.span();
        let template = Template::parse(&text.value()).map_err(|why| Error::new(span, why))?;
        Ok(Self { template, span })
    }
}

impl Parse for Setting {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("an option is written with its name, as in `cache = \"users\"`"));
        }
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let value = input.parse()?;
        Ok(Self { name, value })
    }
}

impl Errors {
    pub(crate) fn add(&mut self, span: Span, message: impl Into<String>) {
        self.combine(Error::new(span, message.into()));
    }

    /// Returns what is right, and remembers what is wrong.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.combine(error)).ok()
    }

    pub(crate) fn finish(&mut self) -> Result<()> {
        mem::take(self).0.map_or(Ok(()), Err)
    }

    fn combine(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }
}
