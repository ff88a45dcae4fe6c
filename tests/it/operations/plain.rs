//! Operations that answer one value, a number, or yes or no.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis_manager::{Aggregate, KeyTtl, KeyType, LexBound, Operation as _, ScoreBound, Side};

use super::{Operation, as_it_is, extend, table};

/// Longer than any test.
const HOUR: u64 = 3_600;

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(HOUR)
}

table! {
    VALUES: Option<Bytes>, as_it_is;
    get => |redis, args| redis.string().get(&args.string),
    get_bytes => |redis, args| redis.string().get_bytes(&args.string),
    getset => |redis, args| redis.string().getset(&args.string, args.text.clone()),
    getdel => |redis, args| redis.string().getdel(&args.string),
    getex => |redis, args| redis.string().getex(&args.string).ex(HOUR).read(),
    getex_persist => |redis, args| redis.string().getex(&args.string).persist().read(),
    set_get => |redis, args| redis.string().set(&args.string, args.text.clone()).nx().get(),
    lpop => |redis, args| redis.list().lpop(&args.list),
    rpop => |redis, args| redis.list().rpop(&args.list),
    lindex => |redis, args| redis.list().lindex(&args.list, args.start),
    lmove => |redis, args| redis.list().lmove(&args.list, &args.other_list, Side::Left, Side::Right),
    lmove_back => |redis, args| redis.list().lmove(&args.other_list, &args.list, Side::Right, Side::Left),
    hget => |redis, args| redis.hash().hget(&args.hash, args.text.clone()),
}

table! {
    TYPED: Option<String>, as_it_is;
    json_get => |redis, args| redis.json().get(&args.string),
    json_getdel => |redis, args| redis.json().getdel(&args.string),
    json_getex => |redis, args| redis.json().getex(&args.string).persist().into_request(),
    json_getset => |redis, args| {
        redis.json().getset(&args.string, &String::from_utf8_lossy(&args.text).into_owned())
    },
    module_get => |redis, args| redis.json_module().get(&args.any, "$.message"),
}

table! {
    COUNTS: u64, as_it_is;
    append => |redis, args| redis.string().append(&args.string, args.text.clone()),
    strlen => |redis, args| redis.string().strlen(&args.string),
    delete => |redis, args| redis.keys().delete([&args.any]),
    unlink => |redis, args| redis.keys().unlink([&args.any, &args.other]),
    exists => |redis, args| redis.keys().exists(&args.others),
    touch => |redis, args| redis.keys().touch(&args.others),
    lpush => |redis, args| redis.list().lpush(&args.list, args.texts.clone()),
    rpush => |redis, args| redis.list().rpush(&args.list, args.texts.clone()),
    lpushx => |redis, args| redis.list().lpushx(&args.list, args.texts.clone()),
    rpushx => |redis, args| redis.list().rpushx(&args.list, args.texts.clone()),
    llen => |redis, args| redis.list().llen(&args.list),
    lrem => |redis, args| redis.list().lrem(&args.list, args.start, args.text.clone()),
    sadd => |redis, args| redis.set().sadd(&args.set, args.texts.clone()),
    srem => |redis, args| redis.set().srem(&args.set, args.texts.clone()),
    scard => |redis, args| redis.set().scard(&args.set),
    sinterstore => |redis, args| redis.set().sinterstore(&args.other_set, &args.sets),
    sunionstore => |redis, args| redis.set().sunionstore(&args.other_set, &args.sets),
    sdiffstore => |redis, args| redis.set().sdiffstore(&args.other_set, &args.sets),
    sintercard => |redis, args| redis.set().sintercard(&args.sets),
    sintercard_up_to => |redis, args| redis.set().sintercard_up_to(&args.sets, args.count),
    zadd => |redis, args| redis.zset().zadd(&args.zset, args.members()).into_request(),
    zadd_gt => |redis, args| redis.zset().zadd(&args.zset, args.members()).gt().ch().into_request(),
    zadd_alike => |redis, args| {
        redis.zset().zadd(&args.lex, args.texts.iter().map(|text| (text.clone(), 0.0))).into_request()
    },
    zrem => |redis, args| redis.zset().zrem(&args.zset, args.texts.clone()),
    zcard => |redis, args| redis.zset().zcard(&args.zset),
    zcount => |redis, args| redis.zset().zcount(&args.zset, ScoreBound::MIN, ScoreBound::MAX),
    zlexcount => |redis, args| redis.zset().zlexcount(&args.lex, LexBound::exclusive(args.text.clone()), LexBound::Max),
    zremrangebyscore => |redis, args| redis.zset().zremrangebyscore(&args.zset, args.step(), args.step() + 1.0),
    zremrangebyrank => |redis, args| redis.zset().zremrangebyrank(&args.zset, args.start, args.stop),
    zremrangebylex => |redis, args| redis.zset().zremrangebylex(&args.lex, LexBound::Min, LexBound::exclusive(args.text.clone())),
    zunionstore => |redis, args| redis.zset().zunionstore(&args.other_zset, &args.zsets).weights(args.zsets.iter().map(|_| 2.0)).into_request(),
    zinterstore => |redis, args| {
        redis.zset().zinterstore(&args.other_zset, &args.zsets).aggregate(Aggregate::Max).into_request()
    },
    hset => |redis, args| redis.hash().hset(&args.hash, args.pairs()),
    hset_struct => |redis, args| {
        let fields = args.pairs().into_iter().map(|(field, value)| (lossy(&field), lossy(&value)));
        redis.hash().hset_struct(&args.hash, &fields.collect::<std::collections::BTreeMap<_, _>>())
    },
    hdel => |redis, args| redis.hash().hdel(&args.hash, args.texts.clone()),
    hlen => |redis, args| redis.hash().hlen(&args.hash),
}

fn lossy(text: &Bytes) -> String {
    String::from_utf8_lossy(text).into_owned()
}

table! {
    FLAGS: bool, as_it_is;
    set => |redis, args| redis.string().set(&args.string, args.text.clone()).into_request(),
    set_keep_ttl => |redis, args| redis.string().set(&args.string, args.text.clone()).xx().keep_ttl().into_request(),
    set_ttl => |redis, args| redis.string().set(&args.string, args.text.clone()).ttl(Duration::from_secs(HOUR)).into_request(),
    set_nx => |redis, args| redis.string().set_nx(&args.string, args.text.clone()).expire_at(in_an_hour()).into_request(),
    set_many => |redis, args| {
        let pairs = args.strings.iter().cloned().zip(args.texts.iter().cloned().cycle());
        redis.string().set_many(pairs.collect::<Vec<_>>()).into_request()
    },
    set_many_ex => |redis, args| {
        let pairs = args.strings.iter().cloned().zip(args.texts.iter().cloned().cycle());
        redis.string().set_many(pairs.collect::<Vec<_>>()).ex(HOUR).into_request()
    },
    expire => |redis, args| redis.keys().expire(&args.any, HOUR),
    pexpire => |redis, args| redis.keys().pexpire(&args.any, HOUR * 1_000),
    expire_at => |redis, args| redis.keys().expire_at(&args.any, in_an_hour()),
    persist => |redis, args| redis.keys().persist(&args.any),
    rename_nx => |redis, args| redis.keys().rename_nx(&args.any, &args.other),
    copy => |redis, args| redis.keys().copy(&args.any, &args.other, true),
    sismember => |redis, args| redis.set().sismember(&args.set, args.text.clone()),
    smove => |redis, args| redis.set().smove(&args.set, &args.other_set, args.text.clone()),
    hsetnx => |redis, args| redis.hash().hsetnx(&args.hash, args.text.clone(), args.other_text.clone()),
    hexists => |redis, args| redis.hash().hexists(&args.hash, args.text.clone()),
    json_set => |redis, args| redis.json().set(&args.string, &lossy(&args.text)).into_request(),
    json_set_nx => |redis, args| redis.json().set_nx(&args.string, &lossy(&args.text)).into_request(),
    json_set_many => |redis, args| {
        redis.json().set_many([(&args.string, &lossy(&args.text))]).into_request()
    },
}

table! {
    MODULE_COUNTS: u64, as_it_is;
    module_del => |redis, args| redis.json_module().del(&args.any, "$.message"),
}

table! {
    MODULE_FLAGS: bool, as_it_is;
    module_set => |redis, args| redis.json_module().set(&args.any, "$.message", "subscribe").nx().into_request(),
    module_merge => |redis, args| redis.json_module().merge(&args.any, "$.message", "subscribe"),
}

table! {
    NUMBERS: i64, as_it_is;
    incr => |redis, args| redis.string().incr(&args.string),
    decr => |redis, args| redis.string().decr(&args.string),
    incr_by => |redis, args| redis.string().incr_by(&args.string, args.start),
    decr_by => |redis, args| redis.string().decr_by(&args.string, args.start),
    incr_with_ttl => |redis, args| redis.string().incr_with_ttl(&args.string, args.start, HOUR),
    hincr_by => |redis, args| redis.hash().hincr_by(&args.hash, args.text.clone(), args.start),
}

table! {
    FLOATS: f64, as_it_is;
    incr_by_float => |redis, args| redis.string().incr_by_float(&args.string, args.step()),
    hincr_by_float => |redis, args| redis.hash().hincr_by_float(&args.hash, args.text.clone(), args.step()),
    zincr_by => |redis, args| redis.zset().zincr_by(&args.zset, args.text.clone(), args.step()),
}

table! {
    SCORES: Option<f64>, as_it_is;
    zscore => |redis, args| redis.zset().zscore(&args.zset, args.text.clone()),
    zadd_incr => |redis, args| redis.zset().zadd_incr(&args.zset, args.text.clone(), args.step()).into_request(),
    zadd_incr_lt => |redis, args| redis.zset().zadd_incr(&args.zset, args.text.clone(), args.step()).lt().into_request(),
}

table! {
    PLACES: Option<u64>, as_it_is;
    lpos => |redis, args| redis.list().lpos(&args.list, args.text.clone()).max_len(3).into_request(),
    linsert_before => |redis, args| redis.list().linsert_before(&args.list, args.text.clone(), args.other_text.clone()),
    linsert_after => |redis, args| redis.list().linsert_after(&args.list, args.text.clone(), args.other_text.clone()),
    zrank => |redis, args| redis.zset().zrank(&args.zset, args.text.clone()),
    zrevrank => |redis, args| redis.zset().zrevrank(&args.zset, args.text.clone()),
}

table! {
    UNITS: (), as_it_is;
    rename => |redis, args| redis.keys().rename(&args.any, &args.other),
    ltrim => |redis, args| redis.list().ltrim(&args.list, args.start, args.stop),
    lset => |redis, args| redis.list().lset(&args.list, args.start, args.text.clone()),
    ping => |redis, _args| redis.keys().ping(),
}

/// What is left of a time differs.
fn roughly(ttl: KeyTtl) -> String {
    match ttl {
        KeyTtl::Expires(_) => "expires".to_owned(),
        other => as_it_is(other),
    }
}

table! {
    LIVES: KeyTtl, roughly;
    ttl => |redis, args| redis.keys().ttl(&args.any),
}

table! {
    TYPES: Option<KeyType>, as_it_is;
    type_of => |redis, args| redis.keys().type_of(&args.any),
}

pub(super) fn add(all: &mut Vec<&'static dyn Operation>) {
    extend(all, VALUES);
    extend(all, TYPED);
    extend(all, COUNTS);
    extend(all, FLAGS);
    extend(all, MODULE_COUNTS);
    extend(all, MODULE_FLAGS);
    extend(all, NUMBERS);
    extend(all, FLOATS);
    extend(all, SCORES);
    extend(all, PLACES);
    extend(all, UNITS);
    extend(all, LIVES);
    extend(all, TYPES);
}
