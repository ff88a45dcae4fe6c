//! The attribute `#[cached]` of [`redis-manager`](https://docs.rs/redis-manager), which exports it with its feature `macros`. Use it from
//! there: what it expands to names that crate.

mod duration;
mod expansion;
mod function;
mod options;
mod policy;
mod returned;
mod template;

use proc_macro::TokenStream;

/// Puts a read-through cache in front of an async function. See `redis_manager::cached`, where it is explained.
#[proc_macro_attribute]
pub fn cached(options: TokenStream, item: TokenStream) -> TokenStream {
    expansion::expand(options.into(), item.into()).into()
}
