//! The macro that declares families of keys.

/// Declares families of keys: a struct for each, whose fields are the placeholders of a template, and the type of what the keys hold.
///
/// ```text
/// redis_key! {
///     /// What a user tells of themselves.
///     pub UserProfile => "user:{id}:profile" { id: u64 } -> Profile;
///
///     /// The settings of the whole application.
///     pub AppSettings => "settings" {} -> Settings;
///
///     /// Visits of a page on a day: without a type, whatever one writes.
///     Visits => "visits:{{{page}}}:{day}" { page: String, day: u32 }
/// }
/// ```
///
/// A placeholder without its field, a field without its placeholder, or a misspelt one does not compile. Two placeholders need a `:` between them.
/// A brace that is meant is written twice: `{{{page}}}` above becomes `{home}`, which a Redis Cluster takes for the part of the key that decides on
/// the slot, so that all days of a page are together.
///
/// **Fields** are of any type that implements [`KeyPart`](crate::KeyPart). They are escaped: `:`, `%`, braces, control characters, and what has a
/// meaning in patterns, `*?[]\^`, become `%XX`. So different fields give different keys, and none can leave its place: the `id` `1:profile` gives
/// `user:1%3Aprofile:profile`.
///
/// **What is declared**: a struct with public fields that is `Debug`, `Clone`, `PartialEq`, `Eq` and `Hash`, with whatever attributes one puts before it (as
/// `#[derive(Copy)]`); `key()`, `pattern()` for [`scan`](crate::KeyOperations::scan), and `parse()` where the fields implement
/// [`FromStr`](std::str::FromStr); [`KeyFamily`](crate::KeyFamily), [`ParseKey`](crate::ParseKey), and with a type [`TypedKey`](crate::TypedKey). It is a key
/// wherever one is asked for, itself or a reference. The type of the value has to be as visible as the family.
///
/// # Examples
///
/// ```
/// use redis_manager::{Config, RedisManager, redis_key};
///
/// redis_key! {
///     /// The names of a user's friends.
///     pub Friends => "user:{id}:friends" { id: u64 } -> Vec<String>;
///     /// The sessions of a user.
///     pub Session => "user:{id}:session:{token}" { id: u64, token: String } -> u64
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::Error> {
/// # let redis = RedisManager::new(Config::from_url("memory://"))?;
/// let service = redis.service();
/// service.json().set(&Friends { id: 7 }, &vec!["Bob".to_owned()]).await?;
/// let friends = service.json().get(&Friends { id: 7 }).await?;
/// assert_eq!(friends.unwrap(), ["Bob"]);
///
/// let mut found = service.keys().scan(Friends::pattern());
/// while let Some(key) = found.next().await {
///     assert_eq!(Friends::parse(key?), Some(Friends { id: 7 }));
/// }
/// assert_eq!(service.keys().delete(Friends { id: 7 }).await?, 1);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! redis_key {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis $name:ident => $template:literal {
            $($(#[$field_attribute:meta])* $field:ident: $type:ty),* $(,)?
        } $(-> $value:ty)?
    );+ $(;)?) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        $visibility struct $name {
            $(
                $(#[$field_attribute])*
                #[doc = concat!("Stands for `{", stringify!($field), "}` in the key.")]
                pub $field: $type,
            )*
        }

        const _: () = {
            const TEXT: &str = $template;
            const PIECES: [$crate::__template::Piece; $crate::__template::count(TEXT)] =
                $crate::__template::pieces(TEXT, &[$(stringify!($field)),*]);
            const TEMPLATE: $crate::__template::Template = $crate::__template::Template::new(&PIECES);

            impl $name {
                /// Returns the key.
                pub fn key(&self) -> $crate::Key {
                    TEMPLATE.key(&[$(<$type as $crate::KeyPart>::part(&self.$field)),*])
                }

                /// Returns the pattern that matches the keys of the whole family.
                pub fn pattern() -> ::std::string::String {
                    TEMPLATE.pattern()
                }

                /// Reads the fields back; `None` if no member of the family has this key.
                pub fn parse(key: impl ::std::convert::Into<$crate::Key>) -> ::std::option::Option<Self>
                where
                    $(for<'a> $type: ::std::str::FromStr,)*
                {
                    let key = key.into();
                    #[allow(unused_mut, unused_variables, reason = "a template may have no placeholder")]
                    let mut parts = TEMPLATE.parse(&key)?.into_iter();
                    let found = Self {
                        $($field: parts.next()?.parse().ok()?,)*
                    };
                    (found.key() == key).then_some(found)
                }
            }

            impl $crate::KeyFamily for $name {
                fn key(&self) -> $crate::Key {
                    Self::key(self)
                }

                fn pattern() -> ::std::string::String {
                    Self::pattern()
                }
            }

            impl $crate::ParseKey for $name
            where
                $(for<'a> $type: ::std::str::FromStr,)*
            {
                fn parse_key(key: &$crate::Key) -> ::std::option::Option<Self> {
                    Self::parse(key)
                }
            }

            impl ::std::convert::From<$name> for $crate::Key {
                fn from(key: $name) -> Self {
                    key.key()
                }
            }

            impl ::std::convert::From<&$name> for $crate::Key {
                fn from(key: &$name) -> Self {
                    key.key()
                }
            }

            $crate::__redis_key! { @one $name }
            $crate::__redis_key! { @one &$name }
            $crate::__redis_key! { @value $name $(-> $value)? }
        };
    )+};
}

/// What `redis_key!` expands to, piece by piece.
#[doc(hidden)]
#[macro_export]
macro_rules! __redis_key {
    (@one $key:ty) => {
        impl $crate::IntoKeys for $key {
            fn count(&self) -> usize {
                1
            }

            fn into_keys(self) -> ::std::vec::Vec<$crate::Key> {
                ::std::vec![self.into()]
            }
        }
    };
    (@value $name:ident) => {
        impl<T: ?Sized> $crate::KeyOf<T> for $name {}
        impl<T: ?Sized> $crate::KeyOf<T> for &$name {}
    };
    (@value $name:ident -> $value:ty) => {
        impl $crate::TypedKey for $name {
            type Value = $value;
        }

        impl $crate::KeyOf<$value> for $name {}
        impl $crate::KeyOf<$value> for &$name {}
    };
}
