//! Templates of keys and tags, taken apart by the same rules as those of `redis_key!`.

/// The pieces of a template, in their order.
#[derive(Debug, PartialEq)]
pub(crate) struct Template(Vec<Piece>);

/// One piece.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// What stands in every key as it is.
    Literal(String),
    /// What is different in each.
    Place(Place),
}

/// An argument, or a field of one: `{id}`, `{self.region}`, `{pair.0}`.
#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) argument: String,
    pub(crate) fields: Vec<String>,
}

impl Template {
    /// Takes a template apart; the error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the template is empty".to_owned());
        }
        let (mut pieces, mut is_apart, mut rest) = (Vec::new(), true, text);
        while let Some(first) = rest.chars().next() {
            let plain = rest.find(['{', '}']).unwrap_or(rest.len());
            if rest.starts_with("{{") || rest.starts_with("}}") {
                pieces.push(Piece::Literal(first.to_string()));
                (is_apart, rest) = (true, &rest[2..]);
            } else if plain > 0 {
                is_apart |= rest[..plain].contains(is_separator);
                pieces.push(Piece::Literal(rest[..plain].to_owned()));
                rest = &rest[plain..];
            } else if first == '}' {
                return Err("a `}` was not opened (a brace that is meant is written `}}`)".to_owned());
            } else {
                let inside = rest[1..].split_once('}').filter(|(inside, _)| !inside.contains('{'));
                let Some((inside, after)) = inside else {
                    return Err("a `{` is not closed (a brace that is meant is written `{{`)".to_owned());
                };
                if !is_apart {
                    return Err(format!(
                        "between two placeholders there has to be a `:`, which arguments never contain, but not before `{inside}`"
                    ));
                }
                pieces.push(Piece::Place(Place::parse(inside)?));
                (is_apart, rest) = (false, after);
            }
        }
        Ok(Self(pieces))
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self, String> {
        let mut names = text.split('.').map(str::to_owned);
        let argument = names.next().unwrap_or_default();
        let fields: Vec<_> = names.collect();
        if is_name(&argument) && fields.iter().all(|field| is_name(field) || is_index(field)) {
            return Ok(Self { argument, fields });
        }
        Err(format!(
            "`{{{text}}}` is no placeholder: write an argument or a field of one, as in `{{id}}` or `{{self.region}}`"
        ))
    }
}

fn is_name(text: &str) -> bool {
    let is_word = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let is_argument = || {
        ["", "r#"]
            .iter()
            .any(|raw| syn::parse_str::<syn::Ident>(&format!("{raw}{text}")).is_ok())
    };
    is_word && (text == "self" || is_argument())
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Says whether arguments are written without it: it is escaped there.
fn is_separator(c: char) -> bool {
    c.is_ascii_control() || matches!(c, ':' | '*' | '?' | '[' | ']' | '\\' | '^')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn place(text: &str) -> Piece {
        Piece::Place(Place::parse(text).unwrap())
    }

    #[test]
    fn placeholders_are_told_from_what_stands_around_them() {
        let pieces = [literal("user:"), place("id"), literal(":"), place("part")];
        assert_eq!(Template::parse("user:{id}:{part}").unwrap().pieces(), pieces);
        assert_eq!(Template::parse("all").unwrap().pieces(), [literal("all")]);
    }

    #[test]
    fn a_field_is_reached_through_its_argument() {
        let pieces = [place("self.shop.0"), literal(":"), place("type")];
        assert_eq!(Template::parse("{self.shop.0}:{type}").unwrap().pieces(), pieces);
        let fields = vec!["shop".to_owned(), "0".to_owned()];
        let argument = "self".to_owned();
        assert_eq!(pieces[0], Piece::Place(Place { argument, fields }));
    }

    #[test]
    fn a_brace_that_is_meant_is_written_twice() {
        let pieces = [literal("{"), place("page"), literal("}"), literal(":"), place("day")];
        assert_eq!(Template::parse("{{{page}}}:{day}").unwrap().pieces(), pieces);
    }

    #[test]
    fn what_is_no_template_is_told_why() {
        for (text, why) in [
            ("", "empty"),
            ("user:{id", "not closed"),
            ("user:{id:{x}", "not closed"),
            ("user:id}", "not opened"),
            ("{}", "`{}` is no placeholder"),
            ("{ id }", "is no placeholder"),
            ("{id:02}", "is no placeholder"),
            ("{id.}", "is no placeholder"),
            ("{id()}", "is no placeholder"),
            ("{0}", "is no placeholder"),
            ("{a}{b}", "not before `b`"),
            ("{a}-{b}", "not before `b`"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
