//! On what the attribute can stand, and that it leaves it as it is.

use std::{cell::Cell, fmt::Display, mem::size_of_val, rc::Rc, sync::Arc};

use redis_manager::{KeyPart, RedisManager, cached};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::Runs;

fn is_send<T: Send>(value: T) -> T {
    value
}

fn embedded() -> RedisManager {
    crate::face::embedded()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Named<T> {
    name: T,
}

struct Shop {
    redis: RedisManager,
    region: String,
    runs: Runs,
    asked: u32,
}

impl Shop {
    const TTL: std::time::Duration = std::time::Duration::from_secs(5);

    fn new() -> Self {
        Self {
            redis: embedded(),
            region: "eu".to_owned(),
            runs: Runs::default(),
            asked: 0,
        }
    }

    /// With a doc comment, an attribute and a visibility.
    #[must_use]
    #[cached(cache = "price", key = "{self.region}:{item}", ttl = "5m", manager = self.redis)]
    pub(crate) async fn price(&self, item: &str) -> u32 {
        self.runs.one_more() + u32::try_from(item.len()).unwrap()
    }

    #[cached(cache = "asked", key = "{item}", ttl = Self::TTL, manager = self.redis)]
    async fn ask(&mut self, item: &str) -> Result<String, ()> {
        self.asked += 1;
        Ok(item.to_uppercase())
    }

    #[cached(cache = "shared", key = "{self.region}", ttl = "5m", manager = self.redis)]
    async fn shared(self: Arc<Self>) -> Option<String> {
        self.runs.one_more();
        Some(self.region.clone())
    }

    #[cached(cache = "consumed", key = "all", ttl = "5m", manager = self.redis)]
    async fn consumed(self) -> String {
        self.region
    }
}

trait Greeting {
    async fn greeting(&self, name: &str) -> String;

    #[cached(cache = "farewell", key = "{name}", ttl = "5m")]
    async fn farewell(&self, name: &str) -> String {
        format!("Farewell, {name}")
    }
}

impl Greeting for Shop {
    #[cached(cache = "greeting", key = "{name}", ttl = "5m", manager = self.redis)]
    async fn greeting(&self, name: &str) -> String {
        format!("Hello, {name}")
    }
}

#[tokio::test]
async fn it_stands_on_methods_whatever_they_take_self_by() {
    let mut shop = Shop::new();
    assert_eq!((shop.price("pear").await, shop.price("pear").await), (5, 5));
    assert_eq!(shop.ask("pear").await.unwrap(), "PEAR");
    assert_eq!(shop.ask("pear").await.unwrap(), "PEAR");
    assert_eq!(shop.asked, 1);
    let shop = Arc::new(shop);
    for _ in 0..2 {
        assert_eq!(Arc::clone(&shop).shared().await.as_deref(), Some("eu"));
    }
    assert_eq!(shop.runs.count(), 2);
    assert_eq!(shop.greeting("Ada").await, "Hello, Ada");
    assert_eq!(shop.farewell("Ada").await, "Farewell, Ada");
    assert_eq!(Arc::into_inner(shop).unwrap().consumed().await, "eu");
}

#[cached(cache = "generic", key = "{key}", ttl = "5m", manager = redis)]
async fn generic<'a, T, K, const N: usize>(
    redis: &RedisManager,
    key: K,
    text: &'a str,
    make: impl Fn(&'a str) -> T,
) -> Vec<T>
where
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    K: KeyPart + Display,
{
    (0..N).map(|_| make(text)).collect()
}

#[cached(cache = "patterns", key = "{one}:{other}:{name}:{count}", ttl = "5m", manager = redis)]
async fn patterns(
    redis: &RedisManager,
    (one, [other, _]): (u8, [char; 2]),
    Named { name }: &Named<String>,
    mut count: u32,
    _: f64,
) -> Named<String> {
    count += 1;
    Named {
        name: format!("{one} {other} {name} {count}"),
    }
}

#[cached(cache = "unnamed", key = "{text}", ttl = "5m", manager = redis)]
async fn unnamed_error(redis: &RedisManager, text: &str) -> Result<u8, impl std::error::Error + use<>> {
    text.parse::<u8>()
}

#[tokio::test]
async fn it_stands_on_functions_whatever_they_take() {
    let redis = embedded();
    let make = |text: &str| text.to_owned();
    let many = generic::<String, _, 2>(&redis, "one".to_owned(), "made", make).await;
    assert_eq!(many, ["made", "made"]);
    assert_eq!(generic::<String, _, 1>(&redis, "two", "made", make).await, ["made"]);
    for name in ["Ada", "Bob"] {
        let named = Named { name: name.to_owned() };
        let found = patterns(&redis, (1, ['a', 'b']), &named, 2, 0.5).await;
        assert_eq!(found.name, format!("1 a {name} 3"));
    }
    assert_eq!(unnamed_error(&redis, "7").await.unwrap(), 7);
    assert!(unnamed_error(&redis, "x").await.is_err());
}

macro_rules! cached_function {
    ($name:ident, $argument:ident: $type:ty => $returned:ty, $template:literal) => {
        #[cached(cache = "made", key = $template, ttl = "5m")]
        async fn $name($argument: $type, by: u8) -> $returned {
            Some($argument * <$type>::from(by))
        }
    };
}

cached_function!(doubled, number: u32 => Option<u32>, "{number}");

#[tokio::test]
async fn it_stands_on_what_a_macro_makes() {
    assert_eq!(doubled(4, 2).await, Some(8));
}

#[cached(cache = "unsendable", key = "{id}", ttl = "5m", manager = redis)]
async fn with_unsendable_error(redis: &RedisManager, id: u8) -> Result<u8, Rc<str>> {
    tokio::task::yield_now().await;
    if id > 0 { Ok(id) } else { Err("zero".into()) }
}

#[cached(cache = "cell", key = "{id}", ttl = "5m", manager = redis)]
async fn with_unshared_argument(redis: &RedisManager, id: u8, cell: Cell<u8>) -> u8 {
    cell.set(id);
    tokio::task::yield_now().await;
    cell.get()
}

#[cached(cache = "large", key = "{id}", ttl = "5m", manager = redis)]
async fn with_a_large_body(redis: &RedisManager, id: u8) -> u8 {
    let large = [id; 64 * 1024];
    tokio::task::yield_now().await;
    large[usize::from(id)]
}

/// A future that can be sent to another thread stays one.
#[tokio::test]
async fn a_cached_function_can_be_spawned() {
    let redis = Arc::new(embedded());
    let task = tokio::spawn({
        let redis = Arc::clone(&redis);
        async move {
            let unsendable = with_unsendable_error(&redis, 0)
                .await
                .map_err(|error| error.to_string());
            (with_unshared_argument(&redis, 3, Cell::default()).await, unsendable)
        }
    });
    assert_eq!(task.await.unwrap(), (3, Err("zero".to_owned())));
    let shop = Shop::new();
    drop(is_send(shop.price("pear")));
    drop(is_send(doubled(1, 2)));
}

/// As `clippy::large_futures` sees it.
#[tokio::test]
async fn the_body_does_not_make_the_future_large() {
    let redis = embedded();
    let call = with_a_large_body(&redis, 7);
    assert!(size_of_val(&call) < 16 * 1024, "{} bytes", size_of_val(&call));
    assert_eq!(call.await, 7);
}
