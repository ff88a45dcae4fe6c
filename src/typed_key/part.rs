//! What can stand in a key.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::{
        NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64,
        NonZeroU128,
    },
    sync::Arc,
};

/// What can stand in a key that [`redis_key!`](crate::redis_key) declares: numbers, text, `char`, `bool`, IP addresses, and what implements it.
///
/// Whoever implements it returns the part as it is; the key escapes it. Values that differ must give texts that differ.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// use redis_manager::{KeyPart, redis_key};
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash)]
/// struct Tenant { region: u8, name: String }
///
/// impl KeyPart for Tenant {
///     fn part(&self) -> Cow<'_, str> {
///         format!("{}/{}", self.region, self.name).into()
///     }
/// }
///
/// redis_key! { Settings => "tenant:{tenant}:settings" { tenant: Tenant } }
///
/// let key = Settings { tenant: Tenant { region: 3, name: "a:b".to_owned() } }.key();
/// assert_eq!(key.as_str(), Some("tenant:3/a%3Ab:settings"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a key",
    label = "this is neither a number nor text",
    note = "implement `redis_manager::KeyPart` for it, which says how it is written in a key"
)]
pub trait KeyPart {
    /// Returns the text, not escaped.
    fn part(&self) -> Cow<'_, str>;
}

impl<P: KeyPart + ?Sized> KeyPart for &P {
    fn part(&self) -> Cow<'_, str> {
        (**self).part()
    }
}

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl KeyPart for $text {
            fn part(&self) -> Cow<'_, str> {
                Cow::Borrowed(self)
            }
        }
    )*};
}

texts!(str, String, Box<str>, Arc<str>, Cow<'_, str>);

macro_rules! shown {
    ($($shown:ty),*) => {$(
        impl KeyPart for $shown {
            fn part(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        }
    )*};
}

shown!(
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, bool, char
);
shown!(NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128);
shown!(NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128);
shown!(IpAddr, Ipv4Addr, Ipv6Addr);
