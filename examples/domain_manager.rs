//! A manager of an application's own, for its shopping carts.
//!
//! **What it shows.** `Carts` says in the words of the shop what can be done with a cart. It stands on `Entities`, which gives it typed keys, a
//! time to live, a namespace for each shop, updates that are never lost, and a listing.
//!
//! **How to run it.** It needs no server, and then uses the embedded backend; with one, it leaves no key behind:
//!
//! ```text
//! cargo run --example domain_manager
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example domain_manager
//! ```
//!
//! **What you should see.** Twenty customers' devices put things into one cart at the same time, and all of them are in it. The same cart in
//! another shop is another one. In the end the carts are listed and cleared.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{collections::BTreeMap, time::Duration};

use redis_manager::{Config, Entities, HealthState, RedisManager, RedisService, Result, redis_key};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Cart {
    /// How many of each article.
    items: BTreeMap<String, u32>,
}

redis_key! {
    /// One customer's cart.
    CartOf => "cart:{customer}" { customer: String } -> Cart
}

/// The carts of one shop.
#[derive(Clone)]
struct Carts(Entities<CartOf>);

impl Carts {
    /// A cart is forgotten two hours after its last change.
    const LIFE: Duration = Duration::from_secs(2 * 60 * 60);

    fn of_shop(service: &RedisService, shop: &str) -> Result<Self> {
        let carts = Entities::new(service).namespace("domain-manager").namespace(shop);
        Ok(Self(carts.ttl(Self::LIFE)?))
    }

    /// Puts an article into a cart, and returns how many articles there are in it then.
    async fn add(&self, customer: &str, article: &str) -> Result<u32> {
        let cart = self.0.update(&cart_of(customer), |cart| {
            let mut cart = cart.unwrap_or_default();
            *cart.items.entry(article.to_owned()).or_default() += 1;
            Some(cart)
        });
        Ok(cart.await?.map_or(0, |cart| cart.count()))
    }

    /// Takes all of an article out. A cart that is empty then is deleted.
    async fn remove(&self, customer: &str, article: &str) -> Result<Option<Cart>> {
        let cart = self.0.update(&cart_of(customer), |cart| {
            let mut cart = cart?;
            cart.items.remove(article);
            (!cart.items.is_empty()).then_some(cart)
        });
        cart.await
    }

    async fn look(&self, customer: &str) -> Result<Cart> {
        Ok(self.0.get(&cart_of(customer)).await?.unwrap_or_default())
    }

    /// Returns all customers with their carts. One round trip for the keys of a page, and one for its carts.
    async fn all(&self) -> Result<Vec<(String, Cart)>> {
        let mut keys = Vec::new();
        let mut listing = self.0.list();
        while let Some(key) = listing.next().await {
            keys.push(key?);
        }
        keys.sort_by(|a, b| a.customer.cmp(&b.customer));
        keys.dedup();
        let carts = self.0.get_many(&keys).await?;
        let found = keys.into_iter().zip(carts);
        Ok(found.filter_map(|(key, cart)| Some((key.customer, cart?))).collect())
    }

    async fn clear(&self) -> Result<usize> {
        let mut cleared = 0;
        for (customer, _) in self.all().await? {
            cleared += usize::from(self.0.delete(&cart_of(&customer)).await?);
        }
        Ok(cleared)
    }
}

impl Cart {
    fn count(&self) -> u32 {
        self.items.values().sum()
    }
}

fn cart_of(customer: &str) -> CartOf {
    CartOf {
        customer: customer.to_owned(),
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let redis = manager()?;
    let (books, tools) = (
        Carts::of_shop(redis.service(), "books")?,
        Carts::of_shop(redis.service(), "tools")?,
    );
    at_the_same_time(&books).await?;

    // A customer's name may be anything: it is escaped.
    books.add("cart:*", "an atlas").await?;
    tools.add("Ada", "a hammer").await?;
    tools.add("Bob", "a saw").await?;
    println!("\nBob takes his saw back: {:?}", tools.remove("Bob", "a saw").await?);

    for (shop, carts) in [("books", &books), ("tools", &tools)] {
        println!("\nThe carts of {shop}:");
        for (customer, cart) in carts.all().await? {
            println!("   {customer:<8} {} articles, {} kinds", cart.count(), cart.items.len());
        }
    }
    let cleared = books.clear().await? + tools.clear().await?;
    println!("\n{cleared} carts are cleared.");
    redis.disconnect().await;
    Ok(())
}

/// A manager as the environment says, or an embedded one if that says nothing of a server.
fn manager() -> Result<RedisManager> {
    let redis = RedisManager::from_env()?;
    if redis.health().state == HealthState::Disabled {
        println!("On the embedded backend.");
        return RedisManager::new(Config::from_url("memory://"));
    }
    println!("On {}.", redis.health().server);
    Ok(redis)
}

async fn at_the_same_time(books: &Carts) -> Result<()> {
    let adding: Vec<_> = (1..=20)
        .map(|device| {
            let books = books.clone();
            tokio::spawn(async move { books.add("Ada", &format!("book {}", device % 5)).await })
        })
        .collect();
    for added in adding {
        added
            .await
            .map_err(|_panic| redis_manager::Error::decode("a task panicked"))??;
    }
    let cart = books.look("Ada").await?;
    println!(
        "\nTwenty at once: {} articles of {} kinds are in Ada's cart.",
        cart.count(),
        cart.items.len()
    );
    Ok(())
}
