//! A slow query behind a read-through cache: how long it takes with and without, what a write does to it, and what happens when something is down.
//!
//! **What it shows.** `get_or_load` answers from the cache, or runs the loader, once for all who ask at the same time. `get_or_load_many` loads exactly what is
//! missing. `write` and tags keep the cache true to the database. While the database fails the old report is served, and while Redis is away the loader simply runs. The
//! database is a real SQLite file, slow because the query reads a whole table.
//!
//! **How to run it.** It needs no server, and then uses the embedded backend; with one, it leaves no key behind, and has a near cache if that feature is on:
//!
//! ```text
//! cargo run --example read_through
//! ENABLE_REDIS=true REDIS_URL=redis://localhost:6379 cargo run --example read_through --features near-cache
//! ```
//!
//! **What you should see.** A table of times, with how often the database was asked and where the answer came from: 64 callers at once ask it once, and 50 keys of
//! which 40 are there ask it once, for ten.

#![expect(clippy::print_stdout, reason = "an example is there to print")]

use std::{
    error::Error,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_manager::{Cache, CacheAnswer, CacheLookup, CachePolicy, Config, Load, RedisManager, Served};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqlitePool, sqlite::SqliteConnectOptions};
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const NAME: &str = "read-through";

/// What a customer has bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    orders: u32,
    cents: i64,
}

/// Where reports come from, slowly.
#[derive(Clone)]
struct Shop {
    database: SqlitePool,
    queries: Arc<AtomicU32>,
}

impl Shop {
    async fn report(self, customer: String) -> sqlx::Result<Report> {
        let found = self.reports(vec![customer]).await?.pop();
        found.map(|(_, report)| report).ok_or(sqlx::Error::RowNotFound)
    }

    async fn reports(self, customers: Vec<String>) -> sqlx::Result<Vec<(String, Report)>> {
        self.queries.fetch_add(1, Relaxed);
        let query = "SELECT customer, count(*), sum(cents) FROM orders
             WHERE instr(?, ',' || customer || ',') > 0 GROUP BY customer";
        let list = format!(",{},", customers.join(","));
        let rows = sqlx::query(query).bind(list).fetch_all(&self.database).await?;
        let report = |row: &sqlx::sqlite::SqliteRow| {
            let (orders, cents) = (row.try_get(1)?, row.try_get(2)?);
            Ok((row.try_get(0)?, Report { orders, cents }))
        };
        rows.iter().map(report).collect()
    }

    /// Writes an order, and returns the customer's new report.
    async fn order(self, customer: String, cents: i64) -> sqlx::Result<Report> {
        let insert = sqlx::query("INSERT INTO orders VALUES (?, ?)")
            .bind(&customer)
            .bind(cents);
        insert.execute(&self.database).await?;
        self.report(customer).await
    }

    /// Runs something, and prints a line about it.
    async fn line<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T>>,
        from: impl Fn(&T) -> String,
    ) -> Result<T> {
        let (before, began) = (self.queries.load(Relaxed), Instant::now());
        let answer = work.await?;
        let (time, queries) = (began.elapsed(), self.queries.load(Relaxed) - before);
        println!("   {what:<54} {time:>9.1?} {queries:>9}   {}", from(&answer));
        Ok(answer)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let shop = open_shop(directory.path().join("shop.sqlite")).await?;
    let redis = RedisManager::new(configuration()?)?;
    let policy = CachePolicy::new()
        .ttl(Duration::from_secs(60))
        .stale_for(Duration::from_secs(600))
        .soft_timeout(Duration::from_millis(500))
        .hard_timeout(Duration::from_secs(5));
    let reports = redis.cache(NAME).with(policy).tagged(["reports"]);

    println!("\n   {:<54} {:>9} {:>9}   answer", "what", "time", "queries");
    times(&shop, &reports).await?;
    near(&shop).await?;
    many(&shop, &reports).await?;
    changes(&shop, &reports).await?;
    failures(&shop, &reports).await?;
    outages(&shop).await?;

    let counted = reports.metrics();
    println!(
        "\nThe cache has answered {} times, and loaded {} times.",
        counted.hits, counted.loads
    );
    reports.remove_matching("*").await;
    if let Ok(versions) = redis.service().keys().delete_pattern(format!("{NAME}*")).await {
        println!("Its entries are removed, and {versions} keys that it kept its versions under.");
    }
    redis.disconnect().await;
    Ok(())
}

/// With and without, alone and all at once.
async fn times(shop: &Shop, reports: &Cache) -> Result<()> {
    let direct = async { Ok(shop.clone().report(customer(1)).await?) };
    shop.line("without a cache", direct, database).await?;
    shop.line("cold", ask(shop, reports, 1), source).await?;
    stored(reports, 1).await;
    shop.line("warm", ask(shop, reports, 1), source).await?;
    shop.line("a thousand warm ones, together", thousand_times(shop, reports), source)
        .await?;

    let direct = all_at_once(|| shop.clone().report(customer(2)));
    shop.line("64 at once, without a cache", direct, database).await?;
    let cached = all_at_once(|| {
        let (shop, reports) = (shop.clone(), reports.clone());
        async move { reports.get_or_load(customer(2), || shop.report(customer(2))).await }
    });
    shop.line("64 at once, cold", cached, |_| "one load for all".to_owned())
        .await
}

/// From this process, where the server tells of changes: needs a server, and the feature.
async fn near(shop: &Shop) -> Result<()> {
    let mut config = Config::from_env()?;
    if !cfg!(feature = "near-cache") || !config.enabled {
        return Ok(());
    }
    config.near_cache_mb = 16;
    let redis = RedisManager::new(config)?;
    if !redis.initialize().await {
        return Ok(());
    }
    let reports = redis.cache(NAME).tagged(["reports"]);
    let cold = async {
        let mut answer = ask(shop, &reports, 1).await;
        let began = Instant::now();
        while redis.metrics().near_hits == 0 && began.elapsed() < Duration::from_secs(1) {
            answer = ask(shop, &reports, 1).await;
        }
        answer
    };
    shop.line("another process with a near cache", cold, source).await?;
    shop.line("a thousand there, together", thousand_times(shop, &reports), source)
        .await?;
    redis.disconnect().await;
    Ok(())
}

/// Fifty keys, of which forty are there.
async fn many(shop: &Shop, reports: &Cache) -> Result<()> {
    let keys = |ids: std::ops::RangeInclusive<u32>| ids.map(customer).collect::<Vec<_>>();
    let load = |keys| {
        let shop = shop.clone();
        async { Ok(reports.get_or_load_many(keys, |missing| shop.reports(missing)).await?) }
    };
    let count = |found: &Vec<Option<Report>>| format!("{} reports", found.iter().flatten().count());
    shop.line("40 keys, cold", load(keys(101..=140)), count).await?;
    stored(reports, 140).await;
    shop.line("50 keys, of which these are 40", load(keys(101..=150)), count)
        .await?;
    Ok(())
}

/// What a write does, and what a tag.
async fn changes(shop: &Shop, reports: &Cache) -> Result<()> {
    let order = async {
        Ok(reports
            .write(customer(1), || shop.clone().order(customer(1), 995))
            .await?)
    };
    let cents = |report: &Report| format!("written: {} orders, {} cents", report.orders, report.cents);
    shop.line("write(), an order", order, cents).await?;
    shop.line("after it", ask(shop, reports, 1), source).await?;
    let invalidated = async { Ok(reports.invalidate_tag("reports").await) };
    shop.line("invalidate_tag()", invalidated, |sent| format!("confirmed: {sent}"))
        .await?;
    shop.line("after it", ask(shop, reports, 1), source).await?;
    stored(reports, 1).await;
    Ok(())
}

/// The database fails.
async fn failures(shop: &Shop, reports: &Cache) -> Result<()> {
    reports.expire(customer(1)).await;
    let failing = |id| {
        let shop = shop.clone();
        let load = move |_| async move {
            sqlx::query("SELECT * FROM a_table_that_is_not_there")
                .fetch_one(&shop.database)
                .await?;
            shop.report(customer(id)).await.map(Load::new)
        };
        reports.get_or_load_with(customer(id), load)
    };
    let told = |outcome: &std::result::Result<_, String>| match outcome {
        Ok(answer) => source(answer),
        Err(error) => error.clone(),
    };
    for (what, id) in [
        ("the database fails, and there is an old value", 1),
        ("again", 1),
        ("it fails, and there is none", 3),
    ] {
        let outcome = async { Ok(failing(id).await.map_err(|error| error.to_string())) };
        drop(shop.line(what, outcome, told).await?);
    }
    Ok(())
}

/// There is no Redis.
async fn outages(shop: &Shop) -> Result<()> {
    let off = RedisManager::disabled("an example");
    let gone = RedisManager::new(Config::from_url("redis://127.0.0.1:1"))?;
    gone.initialize().await;
    for (which, redis) in [("Redis is disabled", &off), ("no Redis answers", &gone)] {
        let reports = redis.cache(NAME);
        shop.line(which, ask(shop, &reports, 1), source).await?;
        let removed = async { Ok(reports.remove(customer(1)).await) };
        let told = |sent: &bool| {
            let waiting = reports.metrics().journaled;
            format!("confirmed: {sent}, waiting for Redis: {waiting}")
        };
        shop.line("   remove()", removed, told).await?;
    }
    gone.disconnect().await;
    Ok(())
}

async fn ask(shop: &Shop, reports: &Cache, id: u32) -> Result<CacheAnswer<Report>> {
    let shop = shop.clone();
    let load = move |_| async move { shop.report(customer(id)).await.map(Load::new) };
    Ok(reports.get_or_load_with(customer(id), load).await?)
}

async fn thousand_times(shop: &Shop, reports: &Cache) -> Result<CacheAnswer<Report>> {
    for _ in 1..1000 {
        ask(shop, reports, 1).await?;
    }
    ask(shop, reports, 1).await
}

/// Sixty-four tasks ask the same.
async fn all_at_once<E, Asked>(ask: impl Fn() -> Asked) -> Result<()>
where
    E: Error + Send + Sync + 'static,
    Asked: Future<Output = std::result::Result<Report, E>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        tasks.spawn(ask());
    }
    while let Some(answer) = tasks.join_next().await {
        answer??;
    }
    Ok(())
}

/// Waits until a report is in the cache: what was loaded is stored after it was returned.
async fn stored(reports: &Cache, id: u32) {
    let began = Instant::now();
    while reports.lookup::<Report>(customer(id)).await == CacheLookup::Absent
        && began.elapsed() < Duration::from_secs(1)
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn source(answer: &CacheAnswer<Report>) -> String {
    match answer.served {
        Served::Loaded => "the database".to_owned(),
        Served::Cached { .. } => "the cache".to_owned(),
        Served::Stale { reason, .. } => format!("the cache, old: {}", reason.code()),
        _ => "another's load".to_owned(),
    }
}

fn database<T>(_answer: &T) -> String {
    "the database".to_owned()
}

fn customer(id: u32) -> String {
    format!("customer {id}")
}

/// As the environment says, or an embedded one if that says nothing of a server.
fn configuration() -> Result<Config> {
    let config = Config::from_env()?;
    Ok(if config.enabled {
        config
    } else {
        Config::from_url("memory://")
    })
}

async fn open_shop(file: PathBuf) -> Result<Shop> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let database = SqlitePool::connect_with(options).await?;
    let orders = "CREATE TABLE orders AS
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
        SELECT 'customer ' || (i * 7919 % 1000) AS customer, i * 104729 % 99991 AS cents FROM n";
    sqlx::query(orders).execute(&database).await?;
    println!("The data source: 100,000 orders in a SQLite file, without an index.");
    Ok(Shop {
        database,
        queries: Arc::default(),
    })
}
