//! What a function returns, told from how that is written.

use proc_macro2::Span;
use syn::{
    Error, GenericArgument, PathArguments, Result, ReturnType, Type, TypeImplTrait, parse_quote,
    spanned::Spanned,
    visit::{self, Visit},
    visit_mut::{self, VisitMut},
};

/// What a function returns.
pub(crate) struct Returned {
    /// As it is written, with `_` for what has no name.
    pub(crate) whole: Type,
    /// What is stored.
    pub(crate) value: Type,
    pub(crate) may_be_none: bool,
    pub(crate) may_fail: bool,
}

impl Returned {
    /// Tells what is returned; `after` is where the signature ends.
    pub(crate) fn of(output: &ReturnType, after: Span) -> Result<Self> {
        let nothing = |span| Error::new(span, "a function that returns nothing cannot be cached");
        let ReturnType::Type(_, whole) = output else {
            return Err(nothing(after));
        };
        let whole = plain(whole);
        if matches!(whole, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            return Err(nothing(whole.span()));
        }
        let (value, may_fail) = match argument(whole, "Result")? {
            Some(value) => (value, true),
            None => (whole, false),
        };
        let (value, may_be_none) = match argument(value, "Option")? {
            Some(value) => (value, true),
            None => (value, false),
        };
        refuse_unnamed(value)?;
        let (mut whole, value) = (whole.clone(), value.clone());
        Unnamed.visit_type_mut(&mut whole);
        Ok(Self {
            whole,
            value,
            may_be_none,
            may_fail,
        })
    }
}

/// Returns the first type argument, if the type is called so, wherever it comes from: `io::Result<T>` is a `Result`.
fn argument<'a>(whole: &'a Type, name: &str) -> Result<Option<&'a Type>> {
    let Type::Path(path) = whole else { return Ok(None) };
    let Some(last) = path.path.segments.last().filter(|last| last.ident == name) else {
        return Ok(None);
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        let message = format!("what this `{name}` holds has to be written here, as in `{name}<User>`");
        return Err(Error::new(whole.span(), message));
    };
    Ok(arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(argument) => Some(plain(argument)),
        _ => None,
    }))
}

/// Takes off the parentheses, and the groups that `macro_rules!` puts around types.
fn plain(whole: &Type) -> &Type {
    match whole {
        Type::Group(group) => plain(&group.elem),
        Type::Paren(paren) => plain(&paren.elem),
        other => other,
    }
}

fn refuse_unnamed(value: &Type) -> Result<()> {
    struct Finder(Option<Span>);
    impl<'ast> Visit<'ast> for Finder {
        fn visit_type_impl_trait(&mut self, unnamed: &'ast TypeImplTrait) {
            self.0 = Some(unnamed.span());
        }
    }
    let mut finder = Finder(None);
    visit::visit_type(&mut finder, value);
    match finder.0 {
        Some(span) => Err(Error::new(
            span,
            "what is cached needs a type with a name, and `impl Trait` has none",
        )),
        None => Ok(()),
    }
}

/// Puts `_` for `impl Trait`, so that a closure may return it too.
struct Unnamed;

impl VisitMut for Unnamed {
    fn visit_type_mut(&mut self, node: &mut Type) {
        if matches!(node, Type::ImplTrait(_)) {
            *node = parse_quote!(_);
        } else {
            visit_mut::visit_type_mut(self, node);
        }
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;

    use super::*;

    fn shown(kind: &Type) -> String {
        kind.to_token_stream().to_string().replace(' ', "")
    }

    fn of(output: &str) -> Result<Returned> {
        Returned::of(&syn::parse_str(output).unwrap(), Span::call_site())
    }

    #[test]
    fn results_and_options_are_told_by_their_last_name() {
        for (output, value, may_be_none, may_fail) in [
            ("-> User", "User", false, false),
            ("-> Option<User>", "User", true, false),
            ("-> Result<User, Error>", "User", false, true),
            ("-> Result<Option<User>, Error>", "User", true, true),
            ("-> std::io::Result<Vec<u8>>", "Vec<u8>", false, true),
            ("-> Result<(), impl Error>", "()", false, true),
            (
                "-> (Option<std::option::Option<u8>>)",
                "std::option::Option<u8>",
                true,
                false,
            ),
            ("-> Results<u8>", "Results<u8>", false, false),
        ] {
            let returned = of(output).unwrap();
            assert_eq!(shown(&returned.value), value, "{output}");
            assert_eq!(
                (returned.may_be_none, returned.may_fail),
                (may_be_none, may_fail),
                "{output}"
            );
        }
    }

    #[test]
    fn an_error_without_a_name_is_left_to_the_compiler() {
        let returned = of("-> Result<u8, Box<impl Error>>").unwrap();
        assert_eq!(shown(&returned.whole), "Result<u8,Box<_>>");
    }

    #[test]
    fn what_cannot_be_cached_is_told_why() {
        for (output, why) in [
            ("", "returns nothing"),
            ("-> ()", "returns nothing"),
            ("-> io::Result", "what this `Result` holds"),
            ("-> impl Display", "has none"),
            ("-> Option<Vec<impl Display>>", "has none"),
        ] {
            let error = of(output).err().unwrap().to_string();
            assert!(error.contains(why), "{output:?}: {error}");
        }
    }
}
