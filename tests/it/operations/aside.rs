//! What is no single command: scans, scripts, watched keys, commands that block, entities.

use std::{fmt::Debug, time::Duration};

use bytes::Bytes;
use redis_manager::{Entities, Error, RedisService, Scan, Script, Side, redis_key};

use super::{Args, Asking, Operation, Way, as_it_is};

/// An operation that is awaited by itself.
struct Aside {
    name: &'static str,
    ask: for<'a> fn(&'a RedisService, &'a Args) -> Asking<'a, Result<String, Error>>,
}

impl Operation for Aside {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ask<'a>(
        &'a self,
        redis: &'a RedisService,
        args: &'a [Args],
        _way: Way,
    ) -> Asking<'a, Vec<Result<String, Error>>> {
        Box::pin(async move {
            let mut answers = Vec::new();
            for args in args {
                answers.push((self.ask)(redis, args).await);
            }
            answers
        })
    }
}

redis_key! {
    Named => "named:{name}" { name: String } -> String;
}

/// Long enough for what is there already.
const WAIT: Duration = Duration::from_millis(2);

const ECHO: &str = "return ARGV";

macro_rules! asides {
    ($($name:ident => $ask:expr,)+) => {
        static ASIDES: &[Aside] = &[$(Aside { name: stringify!($name), ask: |redis, args| Box::pin($ask(redis, args)) }),+];
    };
}

asides! {
    scan => scan,
    hscan => hscan,
    sscan => sscan,
    zscan => zscan,
    delete_pattern => delete_pattern,
    run => run,
    watch => watch,
    blpop => blpop,
    brpop => brpop,
    blmove => blmove,
    entities => entities,
    listing => listing,
    info => info,
    dbsize => dbsize,
}

pub fn asides() -> impl Iterator<Item = &'static dyn Operation> {
    ASIDES.iter().map(|aside| aside as &dyn Operation)
}

/// A scan may return an element twice.
async fn all<T: Debug + Unpin + Send>(mut scan: Scan<'_, T>) -> Result<String, Error> {
    let mut found = Vec::new();
    while let Some(element) = scan.next().await {
        found.push(as_it_is(element?));
    }
    found.sort();
    found.dedup();
    Ok(found.join(" "))
}

/// Without the keys of the witnesses.
async fn scan(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let mut found = Vec::new();
    let mut scan = redis.keys().scan(&args.pattern).count(7);
    while let Some(key) = scan.next().await {
        let key = key?;
        if !key.as_bytes().starts_with(b"own:") {
            found.push(key);
        }
    }
    found.sort();
    found.dedup();
    Ok(as_it_is(found))
}

async fn hscan(redis: &RedisService, args: &Args) -> Result<String, Error> {
    all(redis.hash().hscan::<Bytes, Bytes>(&args.hash)).await
}

async fn sscan(redis: &RedisService, args: &Args) -> Result<String, Error> {
    all(redis.set().sscan::<Bytes>(&args.set).matching(&args.pattern)).await
}

async fn zscan(redis: &RedisService, args: &Args) -> Result<String, Error> {
    all(redis.zset().zscan::<Bytes>(&args.zset)).await
}

async fn delete_pattern(redis: &RedisService, args: &Args) -> Result<String, Error> {
    redis.keys().delete_pattern(&args.pattern).await.map(as_it_is)
}

async fn run(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let (script, scripts) = (Script::new(ECHO), redis.scripts());
    let digest = scripts.load(&script).await?;
    assert_eq!(digest.len(), 40);
    let read: Vec<Bytes> = scripts.run_read_only(&script, [&args.any], args.texts.clone()).await?;
    let echoed: Vec<Bytes> = scripts.run(&script, [&args.any], args.texts.clone()).await?;
    assert_eq!(read, echoed);
    Ok(as_it_is(echoed))
}

async fn watch(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let mut watch = Box::pin(redis.watch([&args.list, &args.zset])).await?;
    let elements: Vec<Bytes> = watch.read(redis.list().lrange(&args.list, 0, -1)).await?;
    let members: Vec<Bytes> = watch.read(redis.zset().zrange(&args.zset, 0, -1).members()).await?;
    let committed = watch.commit((
        redis.list().rpush(&args.list, args.texts.clone()),
        redis.list().lrange(&args.list, 0, -1),
    ));
    let pushed: Option<(u64, Vec<Bytes>)> = Box::pin(committed).await?;
    Ok(as_it_is((elements, members, pushed)))
}

async fn blpop(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let taken = redis.list().blpop::<Bytes>([&args.list, &args.other_list], WAIT).await;
    taken.map(as_it_is)
}

async fn brpop(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let taken = redis.list().brpop::<Bytes>([&args.list, &args.other_list], WAIT).await;
    taken.map(as_it_is)
}

async fn blmove(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let (lists, from, to) = (redis.list(), &args.list, &args.other_list);
    let moved = lists.blmove::<Bytes>(from, to, Side::Left, Side::Right, WAIT).await;
    moved.map(as_it_is)
}

/// Its keys are its own.
async fn entities(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let lossy = |text: &Bytes| String::from_utf8_lossy(text).into_owned();
    let named = |text: &Bytes| Named { name: lossy(text) };
    let entities = Entities::<Named>::new(redis).ttl(3_600)?;
    let (key, other) = (named(&args.text), named(&args.other_text));
    entities.put(&key, &lossy(&args.other_text)).await?;
    let is_new = entities.put_new(&other, &lossy(&args.text)).await?;
    let found = (entities.get(&key).await?, entities.get_many([&other, &key]).await?);
    let is_there = (entities.exists(&key).await?, entities.touch(&other).await?);
    let changed = entities.update(&key, |old| old.map(|old| old + "message")).await?;
    let is_gone = entities.delete(&other).await?;
    Ok(as_it_is((is_new, found, is_there, changed, is_gone)))
}

async fn listing(redis: &RedisService, _args: &Args) -> Result<String, Error> {
    let entities = Entities::<Named>::new(redis);
    let mut listing = entities.list();
    let mut names = Vec::new();
    while let Some(key) = listing.next().await {
        names.push(key?.name);
    }
    names.sort();
    names.dedup();
    Ok(as_it_is(names))
}

/// Returns what it was asked with, as a script does: the embedded backend has none.
async fn info(redis: &RedisService, args: &Args) -> Result<String, Error> {
    let told = redis.keys().info(Some("server")).await?;
    assert!(told.contains("redis_version"), "{told}");
    Ok(as_it_is(&args.texts))
}

/// Witnesses have keys as well.
async fn dbsize(redis: &RedisService, _args: &Args) -> Result<String, Error> {
    redis.keys().dbsize().await.map(|_count| "a number".to_owned())
}
