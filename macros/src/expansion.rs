//! What the function becomes: the same signature, and its body behind a cache.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Result, spanned::Spanned};

use crate::{
    function::Function,
    options::{Errors, Options, Written},
    policy::Policy,
    returned::Returned,
    template::Piece,
};

/// Expands the attribute. What is wrong is said beside the function as it stands, so that nothing else is missing.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = errors.keep(Options::parse(options));
    let function = errors.keep(syn::parse2::<Function>(item.clone()));
    let expanded = match (options, &function) {
        (Some(options), Some(function)) => errors.keep(cached(&options, function)),
        _ => None,
    };
    match errors.finish() {
        Ok(()) => expanded.unwrap_or_default(),
        Err(errors) => {
            let errors = errors.into_compile_error();
            quote!(#errors #item)
        }
    }
}

fn cached(options: &Options, function: &Function) -> Result<TokenStream> {
    let returned = function.check(options)?;
    let Function {
        attributes,
        visibility,
        defaultness,
        signature,
        inner_attributes,
        body,
    } = function;
    let Returned { whole, .. } = &returned;
    let cache = cache(options, function);
    let tagged = tagged(options, function);
    let key = key(&options.key, function);
    let check = check(&returned);
    let answer = answer(&returned);
    // The names are seen by nothing that the user has written.
    let steps = quote_spanned! {Span::mixed_site()=>
        #check
        let cache = #cache;
        #tagged
        let key = #key;
        let body = async move || -> #whole {
            // Without it, the compiler would ask of the body as a whole what it has to be, and not of what is wrong in it.
            if let ::core::option::Option::Some(answer) = ::core::option::Option::None::<#whole> {
                return answer;
            }
            #body
        };
        #answer
    };
    Ok(quote! {
        #(#attributes)*
        #visibility #defaultness #signature {
            #(#inner_attributes)*
            #steps
        }
    })
}

/// The handle of the cache, made once if it is the same in all calls.
fn cache(options: &Options, function: &Function) -> TokenStream {
    let name = &options.cache;
    let manager = options.manager.as_ref().map(|manager| {
        let call = quote_spanned!(Span::mixed_site().located_at(manager.span())=> manager.cache(#name));
        quote_spanned!(Span::mixed_site()=> { let manager = &#manager; #call })
    });
    match (&options.policy, manager) {
        (Policy::Made(policy), None) if !function.decides_on(policy) => {
            let cache = quote!(::redis_manager::redis_manager().cache(#name).with(#policy));
            once(&quote!(::redis_manager::Cache), &cache)
        }
        (Policy::Made(policy), Some(manager)) if !function.decides_on(policy) => {
            let policy = quote!(::std::sync::Arc::new(#policy));
            let policy = once(&quote!(::std::sync::Arc<::redis_manager::CachePolicy>), &policy);
            quote!(#manager.with(#policy))
        }
        (Policy::Made(policy), manager) => with(manager, name, policy),
        (Policy::Given(policy), manager) => with(manager, name, &quote!(#policy)),
    }
}

fn with(manager: Option<TokenStream>, name: &syn::LitStr, policy: &TokenStream) -> TokenStream {
    let cache = manager.unwrap_or_else(|| quote!(::redis_manager::redis_manager().cache(#name)));
    quote!(#cache.with(#policy))
}

/// A clone of what is made in the first call.
fn once(kind: &TokenStream, value: &TokenStream) -> TokenStream {
    quote! {{
        static __REDIS_MANAGER: ::std::sync::LazyLock<#kind> = ::std::sync::LazyLock::new(|| #value);
        ::core::clone::Clone::clone(&*__REDIS_MANAGER)
    }}
}

fn tagged(options: &Options, function: &Function) -> TokenStream {
    if options.tags.is_empty() {
        return TokenStream::new();
    }
    let tags = options.tags.iter().map(|tag| text(tag, function));
    quote_spanned!(Span::mixed_site()=> let cache = cache.tagged([#(#tags),*]);)
}

fn key(key: &Written, function: &Function) -> TokenStream {
    let text = text(key, function);
    quote!(::redis_manager::Key::from(#text))
}

/// An expression for the text that a template becomes.
fn text(written: &Written, function: &Function) -> TokenStream {
    let here = Span::mixed_site().located_at(written.span);
    let (mut pieces, mut parts) = (Vec::new(), Vec::new());
    let arguments = function.arguments();
    for piece in written.template.pieces() {
        match piece {
            Piece::Literal(text) => pieces.push(quote!(::redis_manager::__template::Piece::Literal(#text))),
            Piece::Place(place) => {
                let at = parts.len();
                pieces.push(quote!(::redis_manager::__template::Piece::Field(#at)));
                let argument = arguments.expression(place, here);
                parts.push(quote_spanned!(here=> ::redis_manager::KeyPart::part(&#argument)));
            }
        }
    }
    quote! {{
        const TEMPLATE: ::redis_manager::__template::Template = ::redis_manager::__template::Template::new(&[#(#pieces),*]);
        TEMPLATE.text(&[#(#parts),*])
    }}
}

/// Has the compiler refuse a value that hides a `Result` or an `Option`, where it is written.
fn check(returned: &Returned) -> TokenStream {
    let value = &returned.value;
    let here = Span::mixed_site().located_at(value.span());
    quote_spanned!(here=> <#value as ::redis_manager::__cached::NeitherResultNorOption<_>>::assert();)
}

/// Asks the cache, and the body if need be. That goes into a box: a hit does not carry the room for it.
fn answer(returned: &Returned) -> TokenStream {
    // Where the compiler says that a value cannot be cached.
    let here = Span::mixed_site().located_at(returned.value.span());
    let method = if returned.may_be_none {
        quote_spanned!(here=> find_or_load_in_place)
    } else {
        quote_spanned!(here=> get_or_load_in_place)
    };
    if returned.may_fail {
        quote_spanned!(here=> cache.#method(key, move || ::redis_manager::__cached::boxed(body)).await)
    } else {
        quote_spanned!(here=> match cache.#method(key, move || ::redis_manager::__cached::infallible(body)).await {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(never) => match never {},
        })
    }
}
