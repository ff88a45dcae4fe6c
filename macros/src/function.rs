//! The function that the attribute stands on.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, Error, FnArg, GenericParam, Ident, PatIdent, Result, Signature, Token, Visibility, braced,
    ext::IdentExt,
    parse::{Parse, ParseStream},
    spanned::Spanned,
    token::Brace,
    visit::Visit,
};

use crate::{
    options::{Errors, Options, Written},
    returned::Returned,
    template::{Piece, Place},
};

/// An async function or method with a body, which is not looked into.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    pub(crate) inner_attributes: Vec<Attribute>,
    pub(crate) body: Group,
}

/// The names that a function gives to its arguments.
pub(crate) struct Arguments(Vec<Ident>);

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let defaultness = input.parse()?;
        let is_function = input.fork().parse::<Signature>();
        let Ok(signature) = is_function.and_then(|_| input.parse::<Signature>()) else {
            return Err(input.error("`#[cached]` stands on async functions and methods"));
        };
        if input.peek(Token![;]) {
            return Err(Error::new(
                signature.span(),
                "a method without a body cannot be cached: put `#[cached]` where it is implemented",
            ));
        }
        let content;
        let braces: Brace = braced!(content in input);
        let inner_attributes = content.call(Attribute::parse_inner)?;
        let mut body = Group::new(proc_macro2::Delimiter::Brace, content.parse()?);
        body.set_span(braces.span.join());
        Ok(Self {
            attributes,
            visibility,
            defaultness,
            signature,
            inner_attributes,
            body,
        })
    }
}

impl Function {
    /// Checks that it can be cached as the options say, and returns what it returns.
    pub(crate) fn check(&self, options: &Options) -> Result<Returned> {
        let mut errors = Errors::default();
        if let Some(constant) = &self.signature.constness {
            errors.add(
                constant.span(),
                "a `const fn` cannot be cached: it may run while compiling",
            );
        } else if self.signature.asyncness.is_none() {
            errors.add(
                self.signature.fn_token.span(),
                "only an `async fn` can be cached (`#[async_trait]` takes the `async` away: put `#[cached]` on a function that the method calls)",
            );
        }
        let returned = errors.keep(Returned::of(&self.signature.output, self.signature.fn_token.span()));
        if let (Some(negative), Some(Returned { may_be_none: false, .. })) = (options.negative, &returned) {
            errors.add(
                negative,
                "`negative` says how long a `None` is kept, and this function does not return an `Option`",
            );
        }
        let arguments = self.arguments();
        for written in [&options.key].into_iter().chain(&options.tags) {
            errors.keep(arguments.check(written));
        }
        errors.finish()?;
        returned.ok_or_else(|| Error::new(self.signature.span(), "this cannot be cached"))
    }

    pub(crate) fn arguments(&self) -> Arguments {
        struct Names(Vec<Ident>);
        impl<'ast> Visit<'ast> for Names {
            fn visit_pat_ident(&mut self, name: &'ast PatIdent) {
                self.0.push(name.ident.clone());
                syn::visit::visit_pat_ident(self, name);
            }
        }
        let mut names = Names(Vec::new());
        for argument in &self.signature.inputs {
            match argument {
                FnArg::Receiver(receiver) => names.0.push(Ident::new("self", receiver.self_token.span)),
                FnArg::Typed(typed) => names.visit_pat(&typed.pat),
            }
        }
        Arguments(names.0)
    }

    /// Says whether an expression may be different in each call, or for each type: then it can stand in no `static`.
    pub(crate) fn decides_on(&self, expression: &TokenStream) -> bool {
        let generics = self
            .signature
            .generics
            .params
            .iter()
            .filter_map(|parameter| match parameter {
                GenericParam::Type(parameter) => Some(parameter.ident.to_string()),
                GenericParam::Const(parameter) => Some(parameter.ident.to_string()),
                GenericParam::Lifetime(_) => None,
            });
        let arguments = self.arguments().0.into_iter().map(|argument| argument.to_string());
        let names: Vec<_> = generics.chain(arguments).chain(["Self".to_owned()]).collect();
        mentions(expression.clone(), &names)
    }
}

fn mentions(tokens: TokenStream, names: &[String]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions(group.stream(), names),
        TokenTree::Ident(ident) => names.contains(&ident.to_string()),
        _ => false,
    })
}

impl Arguments {
    fn check(&self, written: &Written) -> Result<()> {
        for piece in written.template.pieces() {
            let Piece::Place(place) = piece else { continue };
            if self.find(&place.argument).is_none() {
                return Err(Error::new(written.span, self.say_unknown(place)));
            }
        }
        Ok(())
    }

    fn say_unknown(&self, place: &Place) -> String {
        let all: Vec<_> = self.0.iter().map(|name| format!("`{}`", name.unraw())).collect();
        let all = if all.is_empty() {
            "none with a name".to_owned()
        } else {
            all.join(", ")
        };
        format!("`{}` is no argument of this function, which has {all}", place.argument)
    }

    /// Finds an argument by its name; of two with one name the last, as the body does.
    fn find(&self, name: &str) -> Option<&Ident> {
        self.0.iter().rev().find(|argument| argument.unraw() == name)
    }

    /// Returns the expression that a placeholder stands for, to be found where its template is written.
    pub(crate) fn expression(&self, place: &Place, span: Span) -> TokenStream {
        let Some(argument) = self.find(&place.argument) else {
            return TokenStream::new();
        };
        let mut argument = argument.clone();
        argument.set_span(span.resolved_at(argument.span()));
        let mut expression = argument.into_token_stream();
        for field in &place.fields {
            expression.extend(member(field, span));
        }
        expression
    }
}

fn member(field: &str, span: Span) -> TokenStream {
    let mut dot = proc_macro2::Punct::new('.', proc_macro2::Spacing::Alone);
    dot.set_span(span);
    let field: TokenTree = match (field.parse(), syn::parse_str::<Ident>(field)) {
        (Ok(index), _) => {
            let mut index = proc_macro2::Literal::u32_unsuffixed(index);
            index.set_span(span);
            index.into()
        }
        (Err(_), Ok(_)) => Ident::new(field, span).into(),
        (Err(_), Err(_)) => Ident::new_raw(field, span).into(),
    };
    [dot.into(), field].into_iter().collect()
}
