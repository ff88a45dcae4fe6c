//! Structs to fields of a hash and back: plain text where people and other clients can read it, JSON for what is nested.

mod read;
mod write;

pub(crate) use self::{read::from_fields, write::to_fields};

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use bytes::Bytes;
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    use super::*;
    use crate::error::{ErrorKind, Result};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Role {
        Admin,
        Guest { until: u32 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Id(u128);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct User {
        id: Id,
        name: String,
        letter: char,
        is_active: bool,
        balance: f64,
        role: Role,
        other_role: Role,
        tags: Vec<String>,
        more: BTreeMap<String, Option<i8>>,
        nickname: Option<String>,
        pair: Option<(u8, u8)>,
        unit: (),
    }

    fn user() -> User {
        User {
            id: Id(u128::MAX),
            name: "\"5\" {".to_owned(),
            letter: 'é',
            is_active: true,
            balance: f64::NEG_INFINITY,
            role: Role::Admin,
            other_role: Role::Guest { until: 7 },
            tags: vec!["a".to_owned(), String::new()],
            more: BTreeMap::from([("x".to_owned(), None), ("y".to_owned(), Some(-1))]),
            nickname: None,
            pair: Some((1, 2)),
            unit: (),
        }
    }

    fn read<T: DeserializeOwned>(fields: &[(&'static str, &'static str)]) -> Result<T> {
        from_fields(
            fields
                .iter()
                .map(|(name, value)| (Bytes::from(*name), Bytes::from(*value))),
        )
    }

    #[test]
    fn a_struct_comes_back() {
        let fields = to_fields(&user()).unwrap();
        assert_eq!(from_fields::<User>(fields).unwrap(), user());
    }

    #[test]
    fn scalars_are_plain_text_and_nested_values_json() {
        let fields: HashMap<_, _> = to_fields(&user()).unwrap().into_iter().collect();
        for (field, text) in [
            ("id", "340282366920938463463374607431768211455"),
            ("name", "\"5\" {"),
            ("letter", "é"),
            ("is_active", "true"),
            ("balance", "-inf"),
            ("role", "Admin"),
            ("other_role", r#"{"Guest":{"until":7}}"#),
            ("tags", r#"["a",""]"#),
            ("more", r#"{"x":null,"y":-1}"#),
            ("pair", "[1,2]"),
        ] {
            assert_eq!(fields[field.as_bytes()], text, "{field}");
        }
        assert!(!fields.contains_key("nickname".as_bytes()));
    }

    #[test]
    fn maps_with_keys_of_text_or_numbers_are_as_good_as_structs() {
        let map = BTreeMap::from([(1, "a".to_owned()), (-2, "b".to_owned())]);
        assert_eq!(
            from_fields::<BTreeMap<i32, String>>(to_fields(&map).unwrap()).unwrap(),
            map
        );
    }

    #[test]
    fn what_has_no_fields_is_an_encode_error() {
        for error in [
            to_fields("sesame").unwrap_err(),
            to_fields(&[1, 2]).unwrap_err(),
            to_fields(&Role::Guest { until: 7 }).unwrap_err(),
            to_fields(&HashMap::from([(vec![1], 2)])).unwrap_err(),
            to_fields(&HashMap::from([(1, HashMap::from([(vec![1], 2)]))])).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Encode, "{error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }

    #[derive(Debug, Deserialize)]
    struct Account {
        #[expect(dead_code, reason = "only read")]
        name: String,
        #[expect(dead_code, reason = "only read")]
        age: u8,
    }

    #[test]
    fn an_error_names_type_and_field_but_never_the_content() {
        for (fields, why) in [
            (&[("name", "sesame")][..], "the field age is missing"),
            (
                &[("name", "sesame"), ("age", "sesame")],
                "the field age: no such number",
            ),
            (&[("name", "sesame"), ("age", "256")], "the field age: no such number"),
        ] {
            let error = read::<Account>(fields).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert!(error.message().contains("Account: "), "{error}");
            assert!(error.message().ends_with(why), "{error}");
        }
        let error = read::<HashMap<String, bool>>(&[("sesame", "sesame")]).unwrap_err();
        assert!(error.message().ends_with("a field: neither true nor false"), "{error}");
        let error = read::<HashMap<String, Role>>(&[("sesame", "Sesame")]).unwrap_err();
        assert!(error.message().ends_with("a field: another shape"), "{error}");
        let error = read::<HashMap<String, Vec<u8>>>(&[("sesame", r#"["sesame"]"#)]).unwrap_err();
        assert!(error.message().ends_with("a field: another shape"), "{error}");
    }

    #[test]
    fn fields_that_the_struct_has_not_are_passed_over() {
        assert!(read::<Account>(&[("name", "Ada"), ("age", "36"), ("more", "{")]).is_ok());
    }

    #[test]
    fn a_type_that_takes_anything_gets_json_or_else_text() {
        let value: serde_json::Value = read(&[("a", "5"), ("b", "five"), ("c", "[true]")]).unwrap();
        assert_eq!(value, serde_json::json!({"a": 5, "b": "five", "c": [true]}));
    }
}
