//! Operations that answer several values.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis_manager::{FieldExpiry, FieldPersist, FieldTtl, JsonType, LexBound, ScoreBound, Script};

use super::{Operation, as_it_is, extend, sorted, table};

table! {
    /// In the order of the server.
    LISTS: Vec<Bytes>, as_it_is;
    lrange => |redis, args| redis.list().lrange(&args.list, args.start, args.stop),
    lrange_all => |redis, args| redis.list().lrange(&args.list, 0, -1),
    lpop_many => |redis, args| redis.list().lpop_many(&args.list, args.count),
    rpop_many => |redis, args| redis.list().rpop_many(&args.list, args.count),
    zrange => |redis, args| redis.zset().zrange(&args.zset, args.start, args.stop).members(),
    zrange_all => |redis, args| redis.zset().zrange(&args.zset, 0, -1).members(),
    zrange_rev => |redis, args| redis.zset().zrange(&args.zset, 0, -1).rev().members(),
    zrange_by_score => |redis, args| redis.zset().zrange_by_score(&args.zset, ScoreBound::MIN, ScoreBound::MAX).members(),
    zrange_by_score_limit => |redis, args| {
        redis.zset().zrange_by_score(&args.zset, ScoreBound::MIN, ScoreBound::MAX).rev().limit(0, args.count as u64).members()
    },
    zrangebyscore => |redis, args| redis.zset().zrangebyscore(&args.zset, ScoreBound::MIN, ScoreBound::MAX),
    zrange_by_lex => |redis, args| redis.zset().zrange_by_lex(&args.lex, LexBound::Min, LexBound::Max).members(),
    zrange_by_lex_from => |redis, args| {
        redis.zset().zrange_by_lex(&args.lex, LexBound::inclusive(args.text.clone()), LexBound::Max).members()
    },
}

table! {
    /// In no particular order.
    BAGS: Vec<Bytes>, sorted;
    hkeys => |redis, args| redis.hash().hkeys(&args.hash),
    hvals => |redis, args| redis.hash().hvals(&args.hash),
    smembers => |redis, args| redis.set().smembers(&args.set),
    sinter => |redis, args| redis.set().sinter(&args.sets),
    sunion => |redis, args| redis.set().sunion(&args.sets),
    sdiff => |redis, args| redis.set().sdiff(&args.sets),
}

table! {
    MANY: Vec<Option<Bytes>>, as_it_is;
    get_many => |redis, args| redis.string().get_many(&args.strings),
    hmget => |redis, args| redis.hash().hmget(&args.hash, args.texts.clone()),
}

table! {
    SCORED: Vec<(Bytes, f64)>, as_it_is;
    zrange_with_scores => |redis, args| redis.zset().zrange(&args.zset, args.start, args.stop).with_scores(),
    zrange_by_score_with_scores => |redis, args| {
        redis.zset().zrange_by_score(&args.zset, ScoreBound::MIN, ScoreBound::MAX).with_scores()
    },
    zpopmin_many => |redis, args| redis.zset().zpopmin_many(&args.zset, args.count as u64),
    zpopmax_many => |redis, args| redis.zset().zpopmax_many(&args.zset, args.count as u64),
}

table! {
    MAPS: BTreeMap<Bytes, Bytes>, as_it_is;
    hgetall => |redis, args| redis.hash().hgetall(&args.hash),
}

table! {
    TEXTS: Option<BTreeMap<String, String>>, as_it_is;
    hgetall_as => |redis, args| redis.hash().hgetall_as(&args.hash),
}

table! {
    /// Several members by chance, of one set.
    CHANCES: Vec<Bytes>, sorted;
    srandmember_many => |redis, args| redis.set().srandmember_many(&args.set, args.count),
    srandmember_repeating => |redis, args| redis.set().srandmember_repeating(&args.set, args.count),
    spop_many => |redis, args| redis.set().spop_many(&args.set, args.count),
}

table! {
    /// One member by chance, of one set.
    SOME_CHANCE: Option<Bytes>, as_it_is;
    srandmember => |redis, args| redis.set().srandmember(&args.set),
    spop => |redis, args| redis.set().spop(&args.set),
}

table! {
    ONE_SCORED: Option<(Bytes, f64)>, as_it_is;
    zpopmin => |redis, args| redis.zset().zpopmin(&args.zset),
    zpopmax => |redis, args| redis.zset().zpopmax(&args.zset),
}

table! {
    RANKED: Option<(u64, f64)>, as_it_is;
    zrank_with_score => |redis, args| redis.zset().zrank_with_score(&args.zset, args.text.clone()),
    zrevrank_with_score => |redis, args| redis.zset().zrevrank_with_score(&args.zset, args.text.clone()),
}

table! {
    INDEXES: Vec<u64>, as_it_is;
    lpos_all => |redis, args| redis.list().lpos(&args.list, args.text.clone()).all(),
    lpos_many => |redis, args| redis.list().lpos(&args.list, args.text.clone()).rank(-1).many(args.count),
}

table! {
    SEVERAL_SCORES: Vec<Option<f64>>, as_it_is;
    zmscore => |redis, args| redis.zset().zmscore(&args.zset, args.texts.clone()),
}

table! {
    SEVERAL_FLAGS: Vec<bool>, as_it_is;
    smismember => |redis, args| redis.set().smismember(&args.set, args.texts.clone()),
}

table! {
    TYPED: Vec<Option<String>>, as_it_is;
    json_get_many => |redis, args| redis.json().get_many(args.strings.clone()),
}

table! {
    EXPIRIES: Vec<FieldExpiry>, as_it_is;
    hexpire => |redis, args| redis.hash().hexpire(&args.hash, args.texts.clone(), 3_600),
    hpexpire => |redis, args| redis.hash().hpexpire(&args.hash, args.texts.clone(), 3_600_000),
}

table! {
    PERSISTS: Vec<FieldPersist>, as_it_is;
    hpersist => |redis, args| redis.hash().hpersist(&args.hash, args.texts.clone()),
}

table! {
    LIVES: Vec<FieldTtl>, as_it_is;
    httl => |redis, args| redis.hash().httl(&args.hash, args.texts.clone()),
}

table! {
    /// The embedded backend runs none.
    SCRIPTED: Vec<Bytes>, as_it_is;
    eval => |redis, args| redis.scripts().eval(&Script::new("return ARGV"), [&args.any], args.texts.clone()),
}

table! {
    MODULE_TYPES: Vec<JsonType>, as_it_is;
    module_type_of => |redis, args| redis.json_module().type_of(&args.any, "$.message"),
}

table! {
    MODULE_COUNTS: Vec<Option<u64>>, as_it_is;
    module_strappend => |redis, args| redis.json_module().strappend(&args.any, "$.message", "subscribe"),
    module_arrappend => |redis, args| redis.json_module().arrappend(&args.any, "$.message", ["subscribe"]),
    module_arrinsert => |redis, args| redis.json_module().arrinsert(&args.any, "$.message", 0, ["subscribe"]),
    module_arrlen => |redis, args| redis.json_module().arrlen(&args.any, "$.message"),
    module_objlen => |redis, args| redis.json_module().objlen(&args.any, "$.message"),
}

table! {
    MODULE_VALUES: Vec<Option<String>>, as_it_is;
    module_mget => |redis, args| redis.json_module().mget(&args.others, "$.message"),
    module_arrpop => |redis, args| redis.json_module().arrpop(&args.any, "$.message", -1),
    module_numincrby => |redis, args| redis.json_module().numincrby(&args.any, "$.message", 1),
}

table! {
    MODULE_ALL: Vec<String>, as_it_is;
    module_get_all => |redis, args| redis.json_module().get_all(&args.any, "$.message"),
}

table! {
    MODULE_KEYS: Vec<Option<Vec<String>>>, as_it_is;
    module_objkeys => |redis, args| redis.json_module().objkeys(&args.any, "$.message"),
}

table! {
    MODULE_FLAGS: Vec<Option<bool>>, as_it_is;
    module_toggle => |redis, args| redis.json_module().toggle(&args.any, "$.message"),
}

pub(super) fn add(all: &mut Vec<&'static dyn Operation>) {
    extend(all, LISTS);
    extend(all, BAGS);
    extend(all, MANY);
    extend(all, SCORED);
    extend(all, MAPS);
    extend(all, TEXTS);
    extend(all, ONE_SCORED);
    extend(all, RANKED);
    extend(all, INDEXES);
    extend(all, SEVERAL_SCORES);
    extend(all, SEVERAL_FLAGS);
    extend(all, TYPED);
    extend(all, EXPIRIES);
    extend(all, PERSISTS);
    extend(all, LIVES);
    extend(all, SCRIPTED);
    extend(all, MODULE_TYPES);
    extend(all, MODULE_COUNTS);
    extend(all, MODULE_VALUES);
    extend(all, MODULE_ALL);
    extend(all, MODULE_KEYS);
    extend(all, MODULE_FLAGS);
}
