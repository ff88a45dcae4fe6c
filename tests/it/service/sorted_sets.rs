//! `zset()`.

use bytes::Bytes;
use redis_manager::{Aggregate, ErrorKind, LexBound, RedisManager, Result, ScoreBound};

use super::{HOSTILE, assert_in_step, assert_refused, assert_told, hostile_lists};

on_both_backends! {
    new_members_are_counted,
    ch_counts_changed_members_too,
    conditions_decide_what_is_added_and_changed,
    conditions_that_contradict_each_other_are_refused,
    zadd_incr_answers_the_new_score_unless_a_condition_prevents_it,
    scores_come_back_to_the_last_bit,
    what_is_no_number_is_refused_before_it_is_sent,
    infinity_minus_infinity_is_an_error_of_the_server,
    a_member_is_removed_and_with_the_last_one_the_key,
    ranges_by_place_count_from_both_ends,
    ranges_by_score_have_both_kinds_of_bounds,
    ranges_by_lex_have_both_kinds_of_bounds,
    a_reversed_range_is_given_from_low_to_high,
    a_limit_pages_through_a_range,
    what_a_range_cannot_have_is_refused,
    a_range_whose_ends_are_swapped_is_empty,
    ranks_count_from_both_ends,
    a_rank_comes_with_its_score,
    ranges_are_removed,
    the_lowest_and_the_highest_are_popped,
    unions_and_intersections_are_stored,
    weights_and_aggregates_of_infinite_scores,
    a_wrong_store_command_is_refused,
    an_empty_outcome_deletes_the_destination,
    a_missing_key_has_no_members,
    nothing_to_ask_is_not_asked,
    another_type_is_refused_by_every_operation,
    hostile_members_come_back_from_every_operation,
    many_members_come_back_in_order,
    a_sorted_set_is_copied_and_renamed_as_a_whole,
}

fn names(members: &[&str]) -> Vec<String> {
    members.iter().map(ToString::to_string).collect()
}

fn scored(members: &[(&str, f64)]) -> Vec<(String, f64)> {
    members
        .iter()
        .map(|(member, score)| ((*member).to_owned(), *score))
        .collect()
}

async fn all(redis: &RedisManager, key: &str) -> Vec<(String, f64)> {
    redis.service().zset().zrange(key, 0, -1).with_scores().await.unwrap()
}

async fn four(redis: &RedisManager, key: &str) {
    let members = [("a", 1), ("b", 2), ("c", 3), ("d", 4)];
    assert_eq!(redis.service().zset().zadd(key, members).await.unwrap(), 4);
}

async fn new_members_are_counted(redis: &RedisManager) {
    let zset = redis.service().zset();
    assert_eq!(zset.zadd("z", [("a", 1.0), ("b", 2.0)]).await.unwrap(), 2);
    assert_eq!(zset.zadd("z", [("a", 5.0), ("c", 3.0), ("c", 4.0)]).await.unwrap(), 1);
    assert_eq!(all(redis, "z").await, scored(&[("b", 2.0), ("c", 4.0), ("a", 5.0)]));
    assert_eq!(zset.zcard("z").await.unwrap(), 3);
}

async fn ch_counts_changed_members_too(redis: &RedisManager) {
    let zset = redis.service().zset();
    zset.zadd("z", [("a", 1), ("b", 2)]).await.unwrap();
    assert_eq!(zset.zadd("z", [("a", 1), ("b", 3), ("c", 4)]).ch().await.unwrap(), 2);
    assert_eq!(zset.zadd("z", [("c", 5), ("c", 6)]).ch().await.unwrap(), 2);
}

async fn conditions_decide_what_is_added_and_changed(redis: &RedisManager) {
    let zset = redis.service().zset();
    let fresh = |key: &'static str| async move {
        zset.zadd(key, [("low", 1), ("high", 9)]).await.unwrap();
        zset.zadd(key, [("low", 5), ("high", 5), ("new", 5)])
    };
    let (low, high, new) = (("low", 1.0), ("high", 9.0), ("new", 5.0));
    let (low5, high5) = (("low", 5.0), ("high", 5.0));
    for (key, expected) in [
        ("nx", vec![low, new, high]),
        ("xx", vec![high5, low5]),
        ("gt", vec![low5, new, high]),
        ("lt", vec![low, high5, new]),
        ("xx gt", vec![low5, high]),
        ("xx lt", vec![low, high5]),
    ] {
        let command = fresh(key).await;
        let command = match key {
            "nx" => command.nx(),
            "xx" => command.xx(),
            "gt" => command.gt(),
            "lt" => command.lt(),
            "xx gt" => command.xx().gt(),
            _ => command.lt().xx(),
        };
        let added = command.await.unwrap();
        assert_eq!(added, u64::from(!key.contains("xx")), "{key}");
        assert_eq!(all(redis, key).await, scored(&expected), "{key}");
    }
}

async fn conditions_that_contradict_each_other_are_refused(redis: &RedisManager) {
    let zset = redis.service().zset();
    assert_refused(zset.zadd("z", [("a", 1)]).nx().xx().await, "both nx and xx");
    assert_refused(zset.zadd("z", [("a", 1)]).gt().lt().await, "both gt and lt");
    assert_refused(zset.zadd("z", [("a", 1)]).nx().gt().await, "nx together with gt or lt");
    assert_refused(zset.zadd("z", [("a", 1)]).lt().nx().await, "nx together with gt or lt");
    assert_refused(zset.zadd_incr("z", "a", 1).nx().lt().await, "nx together with gt or lt");
    let nobody: [(&str, f64); 0] = [];
    assert_refused(zset.zadd("z", nobody).nx().xx().await, "both nx and xx");
    assert!(!redis.exists("z").await);
}

async fn zadd_incr_answers_the_new_score_unless_a_condition_prevents_it(redis: &RedisManager) {
    let zset = redis.service().zset();
    assert_eq!(zset.zadd_incr("z", "a", 1.5).xx().await.unwrap(), None);
    assert_eq!(zset.zadd_incr("z", "a", 1.5).nx().await.unwrap(), Some(1.5));
    assert_eq!(zset.zadd_incr("z", "a", 1.5).nx().await.unwrap(), None);
    assert_eq!(zset.zadd_incr("z", "a", 1.5).await.unwrap(), Some(3.0));
    assert_eq!(zset.zadd_incr("z", "a", -1).gt().await.unwrap(), None);
    assert_eq!(zset.zadd_incr("z", "a", -1).lt().await.unwrap(), Some(2.0));
    assert_eq!(
        zset.zadd_incr("z", "a", f64::INFINITY).await.unwrap(),
        Some(f64::INFINITY)
    );
    assert_eq!(zset.zincr_by("z", "b", 2.25).await.unwrap(), 2.25);
    assert_eq!(zset.zincr_by("z", "b", -3).await.unwrap(), -0.75);
}

async fn scores_come_back_to_the_last_bit(redis: &RedisManager) {
    let zset = redis.service().zset();
    for score in [
        0.0,
        0.1,
        0.1 + 0.2,
        -1.5e300,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        9_007_199_254_740_993.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        zset.zadd("z", [("m", score)]).await.unwrap();
        assert_eq!(zset.zscore("z", "m").await.unwrap(), Some(score));
        assert_eq!(zset.zmscore("z", ["m", "n"]).await.unwrap(), [Some(score), None]);
        assert_eq!(all(redis, "z").await, scored(&[("m", score)]));
        assert_eq!(zset.zrank_with_score("z", "m").await.unwrap(), Some((0, score)));
        assert_eq!(zset.zcount("z", score, score).await.unwrap(), 1);
        assert_eq!(zset.zincr_by("z", "m", 0.0).await.unwrap(), score);
        assert_eq!(zset.zpopmax("z").await.unwrap(), Some(("m".to_owned(), score)));
    }
}

async fn what_is_no_number_is_refused_before_it_is_sent(redis: &RedisManager) {
    let zset = redis.service().zset();
    let why = "a score that is not a number";
    assert_refused(zset.zadd("z", [("a", 1.0), ("b", f64::NAN)]).await, why);
    assert_refused(zset.zadd_incr("z", "a", f64::NAN).await, why);
    assert_refused(zset.zincr_by("z", "a", f64::NAN).await, why);
    assert_refused(zset.zcount("z", f64::NAN, 1.0).await, why);
    assert_refused(
        zset.zremrangebyscore("z", 1.0, ScoreBound::exclusive(f64::NAN)).await,
        why,
    );
    assert_refused(zset.zrangebyscore::<String>("z", f64::NAN, 1.0).await, why);
    assert_refused(zset.zunionstore("z", ["y"]).weights([f64::NAN]).await, why);
    assert!(!redis.exists("z").await);
}

async fn infinity_minus_infinity_is_an_error_of_the_server(redis: &RedisManager) {
    let zset = redis.service().zset();
    zset.zadd("the-key", [("sesame", f64::INFINITY)]).await.unwrap();
    let error = zset.zincr_by("the-key", "sesame", f64::NEG_INFINITY).await.unwrap_err();
    assert_told(&error, ErrorKind::Server, "ZINCRBY");
    assert_eq!(error.message(), "ERR resulting score is not a number (NaN)");
    let error = zset
        .zadd_incr("the-key", "sesame", f64::NEG_INFINITY)
        .await
        .unwrap_err();
    assert_told(&error, ErrorKind::Server, "ZADD");
    assert_eq!(zset.zscore("the-key", "sesame").await.unwrap(), Some(f64::INFINITY));
}

async fn a_member_is_removed_and_with_the_last_one_the_key(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    assert_eq!(zset.zrem("z", ["a", "b", "nobody"]).await.unwrap(), 2);
    assert_eq!(zset.zrem("z", ["c", "d"]).await.unwrap(), 2);
    assert!(!redis.exists("z").await);
}

async fn ranges_by_place_count_from_both_ends(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    for (start, stop, expected) in [
        (0, -1, &["a", "b", "c", "d"][..]),
        (0, 0, &["a"]),
        (1, 2, &["b", "c"]),
        (-2, -1, &["c", "d"]),
        (-100, 100, &["a", "b", "c", "d"]),
        (3, 2, &[]),
        (4, 9, &[]),
        (i64::MIN, i64::MAX, &["a", "b", "c", "d"]),
    ] {
        let found: Vec<String> = zset.zrange("z", start, stop).members().await.unwrap();
        assert_eq!(found, names(expected), "{start} {stop}");
    }
    let highest: Vec<String> = zset.zrange("z", 0, 1).rev().members().await.unwrap();
    assert_eq!(highest, names(&["d", "c"]));
    let highest = zset.zrange("z", -1, -1).rev().with_scores().await.unwrap();
    assert_eq!(highest, scored(&[("a", 1.0)]));
}

async fn ranges_by_score_have_both_kinds_of_bounds(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    zset.zadd("z", [("-", f64::NEG_INFINITY), ("+", f64::INFINITY)])
        .await
        .unwrap();
    for (min, max, expected) in [
        (2.into(), 3.into(), &["b", "c"][..]),
        (ScoreBound::exclusive(2.0), 3.into(), &["c"]),
        (2.into(), ScoreBound::exclusive(3.0), &["b"]),
        (ScoreBound::exclusive(2.0), ScoreBound::exclusive(3.0), &[]),
        (2.5.into(), 2.75.into(), &[]),
        (ScoreBound::MIN, 1.into(), &["-", "a"]),
        (ScoreBound::exclusive(f64::NEG_INFINITY), 1.into(), &["a"]),
        (4.into(), ScoreBound::exclusive(f64::INFINITY), &["d"]),
        (ScoreBound::MIN, ScoreBound::MAX, &["-", "a", "b", "c", "d", "+"]),
    ] {
        let found: Vec<String> = zset.zrangebyscore("z", min, max).await.unwrap();
        assert_eq!(found, names(expected), "{min:?} {max:?}");
        assert_eq!(zset.zcount("z", min, max).await.unwrap(), expected.len() as u64);
    }
}

async fn ranges_by_lex_have_both_kinds_of_bounds(redis: &RedisManager) {
    let zset = redis.service().zset();
    zset.zadd("z", ["", "a", "b", "ba", "c"].map(|member| (member, 0)))
        .await
        .unwrap();
    for (min, max, expected) in [
        (LexBound::Min, LexBound::Max, &["", "a", "b", "ba", "c"][..]),
        (LexBound::inclusive("a"), LexBound::inclusive("b"), &["a", "b"]),
        (LexBound::exclusive("a"), LexBound::exclusive("c"), &["b", "ba"]),
        (LexBound::Min, LexBound::exclusive("a"), &[""]),
        (LexBound::exclusive(""), LexBound::inclusive("a"), &["a"]),
        (LexBound::inclusive("bb"), LexBound::Max, &["c"]),
        (LexBound::Max, LexBound::Min, &[]),
    ] {
        let found: Vec<String> = zset
            .zrange_by_lex("z", min.clone(), max.clone())
            .members()
            .await
            .unwrap();
        assert_eq!(found, names(expected), "{min:?} {max:?}");
        assert_eq!(zset.zlexcount("z", min, max).await.unwrap(), expected.len() as u64);
    }
}

async fn a_reversed_range_is_given_from_low_to_high(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    let found: Vec<String> = zset
        .zrange_by_score("z", ScoreBound::exclusive(1.0), 3)
        .rev()
        .members()
        .await
        .unwrap();
    assert_eq!(found, names(&["c", "b"]));
    zset.zadd("same", [("a", 0), ("b", 0), ("c", 0)]).await.unwrap();
    let range = zset.zrange_by_lex("same", LexBound::inclusive("a"), LexBound::exclusive("c"));
    assert_eq!(range.rev().members::<String>().await.unwrap(), names(&["b", "a"]));
}

async fn a_limit_pages_through_a_range(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    let page = |offset, count| zset.zrange_by_score("z", 1, 4).limit(offset, count);
    assert_eq!(page(1, 2).members::<String>().await.unwrap(), names(&["b", "c"]));
    assert_eq!(page(3, 2).with_scores().await.unwrap(), scored(&[("d", 4.0)]));
    assert_eq!(page(1, 1).rev().members::<String>().await.unwrap(), names(&["c"]));
    assert_eq!(page(0, 0).members::<String>().await.unwrap(), names(&[]));
    assert_eq!(page(9, 1).members::<String>().await.unwrap(), names(&[]));
    let lex = zset.zrange_by_lex("z", LexBound::Min, LexBound::Max).limit(1, 1);
    assert_eq!(lex.members::<String>().await.unwrap(), names(&["b"]));
}

async fn what_a_range_cannot_have_is_refused(redis: &RedisManager) {
    let zset = redis.service().zset();
    let limited = zset.zrange("z", 0, -1).limit(0, 1);
    assert_refused(limited.members::<String>().await, "the limit of a range by places");
    let lex = zset.zrange_by_lex("z", LexBound::Min, LexBound::Max);
    assert_refused(lex.with_scores::<String>().await, "the scores of a range by lex");
}

async fn a_range_whose_ends_are_swapped_is_empty(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    assert_eq!(zset.zrangebyscore::<String>("z", 3, 2).await.unwrap(), names(&[]));
    assert_eq!(
        zset.zrange_by_score("z", 3, 2).rev().members::<String>().await.unwrap(),
        names(&[])
    );
    assert_eq!(zset.zcount("z", 3, 2).await.unwrap(), 0);
    assert_eq!(zset.zremrangebyscore("z", 3, 2).await.unwrap(), 0);
    assert_eq!(zset.zremrangebyrank("z", 2, 1).await.unwrap(), 0);
    assert_eq!(zset.zcard("z").await.unwrap(), 4);
}

async fn ranks_count_from_both_ends(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    assert_eq!(zset.zrank("z", "a").await.unwrap(), Some(0));
    assert_eq!(zset.zrank("z", "d").await.unwrap(), Some(3));
    assert_eq!(zset.zrevrank("z", "d").await.unwrap(), Some(0));
    assert_eq!(zset.zrank("z", "nobody").await.unwrap(), None);
    assert_eq!(zset.zrevrank("z", "nobody").await.unwrap(), None);
}

async fn a_rank_comes_with_its_score(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    assert_eq!(zset.zrank_with_score("z", "c").await.unwrap(), Some((2, 3.0)));
    assert_eq!(zset.zrevrank_with_score("z", "c").await.unwrap(), Some((1, 3.0)));
    assert_eq!(zset.zrank_with_score("z", "nobody").await.unwrap(), None);
    assert_eq!(zset.zrank_with_score("nobody", "c").await.unwrap(), None);
}

async fn ranges_are_removed(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    assert_eq!(
        zset.zremrangebyscore("z", ScoreBound::exclusive(1.0), 2).await.unwrap(),
        1
    );
    assert_eq!(zset.zremrangebyrank("z", -1, -1).await.unwrap(), 1);
    assert_eq!(all(redis, "z").await, scored(&[("a", 1.0), ("c", 3.0)]));
    zset.zadd("same", [("a", 0), ("b", 0), ("c", 0)]).await.unwrap();
    assert_eq!(
        zset.zremrangebylex("same", LexBound::exclusive("a"), LexBound::Max)
            .await
            .unwrap(),
        2
    );
    assert_eq!(all(redis, "same").await, scored(&[("a", 0.0)]));
    assert_eq!(zset.zremrangebyrank("z", 0, -1).await.unwrap(), 2);
    assert!(!redis.exists("z").await);
}

async fn the_lowest_and_the_highest_are_popped(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    assert_eq!(zset.zpopmin("z").await.unwrap(), Some(("a".to_owned(), 1.0)));
    assert_eq!(zset.zpopmax("z").await.unwrap(), Some(("d".to_owned(), 4.0)));
    zset.zadd("z", [("a", 1), ("d", 4)]).await.unwrap();
    assert_eq!(
        zset.zpopmax_many("z", 3).await.unwrap(),
        scored(&[("d", 4.0), ("c", 3.0), ("b", 2.0)])
    );
    assert_eq!(zset.zpopmin_many("z", 9).await.unwrap(), scored(&[("a", 1.0)]));
    assert!(!redis.exists("z").await);
    assert_eq!(zset.zpopmin::<String>("z").await.unwrap(), None);
    assert_eq!(zset.zpopmin_many::<String>("z", 2).await.unwrap(), []);
}

async fn unions_and_intersections_are_stored(redis: &RedisManager) {
    let zset = redis.service().zset();
    zset.zadd("one", [("a", 1), ("b", 2)]).await.unwrap();
    zset.zadd("two", [("b", 10), ("c", 20)]).await.unwrap();
    redis.set("to", "replaced, with its expiry").ex(60).await;
    assert_eq!(zset.zunionstore("to", ["one", "two", "nobody"]).await.unwrap(), 3);
    assert_eq!(all(redis, "to").await, scored(&[("a", 1.0), ("b", 12.0), ("c", 20.0)]));
    assert_eq!(redis.ttl("to").await, -1);
    assert_eq!(
        zset.zinterstore("to", ["one", "two"])
            .weights([2.0, 0.5])
            .await
            .unwrap(),
        1
    );
    assert_eq!(all(redis, "to").await, scored(&[("b", 9.0)]));
    for (aggregate, b) in [(Aggregate::Sum, 12.0), (Aggregate::Min, 2.0), (Aggregate::Max, 10.0)] {
        zset.zinterstore("to", ["one", "two"])
            .aggregate(aggregate)
            .await
            .unwrap();
        assert_eq!(zset.zscore("to", "b").await.unwrap(), Some(b), "{aggregate:?}");
    }
    assert_eq!(zset.zunionstore("one", ["one", "one"]).await.unwrap(), 2);
    assert_eq!(all(redis, "one").await, scored(&[("a", 2.0), ("b", 4.0)]));
}

async fn weights_and_aggregates_of_infinite_scores(redis: &RedisManager) {
    let zset = redis.service().zset();
    zset.zadd("plus", [("a", f64::INFINITY)]).await.unwrap();
    zset.zadd("minus", [("a", f64::NEG_INFINITY)]).await.unwrap();
    zset.zunionstore("to", ["plus", "minus"]).await.unwrap();
    assert_eq!(zset.zscore("to", "a").await.unwrap(), Some(0.0));
    zset.zunionstore("to", ["plus"]).weights([0]).await.unwrap();
    assert_eq!(zset.zscore("to", "a").await.unwrap(), Some(0.0));
    zset.zunionstore("to", ["plus"])
        .weights([f64::NEG_INFINITY])
        .await
        .unwrap();
    assert_eq!(zset.zscore("to", "a").await.unwrap(), Some(f64::NEG_INFINITY));
}

async fn a_wrong_store_command_is_refused(redis: &RedisManager) {
    let zset = redis.service().zset();
    redis.set("to", "v").await;
    let nothing: [&str; 0] = [];
    assert_refused(zset.zunionstore("to", nothing).await, "no keys to put together");
    assert_refused(
        zset.zinterstore("to", ["a", "b"]).weights([1]).await,
        "not as many weights as keys",
    );
    assert_eq!(redis.get("to").await.as_deref(), Some("v"));
}

async fn an_empty_outcome_deletes_the_destination(redis: &RedisManager) {
    let zset = redis.service().zset();
    four(redis, "z").await;
    redis.set("to", "v").await;
    assert_eq!(zset.zinterstore("to", ["z", "nobody"]).await.unwrap(), 0);
    assert!(!redis.exists("to").await);
}

async fn a_missing_key_has_no_members(redis: &RedisManager) {
    let zset = redis.service().zset();
    assert_eq!(zset.zcard("z").await.unwrap(), 0);
    assert_eq!(zset.zscore("z", "a").await.unwrap(), None);
    assert_eq!(zset.zmscore("z", ["a", "b", "c"]).await.unwrap(), [None; 3]);
    assert_eq!(zset.zrem("z", ["a"]).await.unwrap(), 0);
    assert_eq!(zset.zrank("z", "a").await.unwrap(), None);
    assert_eq!(zset.zcount("z", ScoreBound::MIN, ScoreBound::MAX).await.unwrap(), 0);
    assert_eq!(zset.zrange("z", 0, -1).members::<String>().await.unwrap(), names(&[]));
    assert_eq!(zset.zrange("z", 0, -1).with_scores::<String>().await.unwrap(), []);
    assert_eq!(zset.zremrangebyrank("z", 0, -1).await.unwrap(), 0);
    assert!(!redis.exists("z").await);
}

async fn nothing_to_ask_is_not_asked(redis: &RedisManager) {
    // The key holds another type: whoever asks is told so.
    redis.set("z", "text").await;
    let zset = redis.service().zset();
    let (members, nobody): ([(&str, f64); 0], [&str; 0]) = ([], []);
    assert_eq!(zset.zadd("z", members).await.unwrap(), 0);
    assert_eq!(zset.zrem("z", nobody).await.unwrap(), 0);
    assert_eq!(zset.zmscore("z", nobody).await.unwrap(), []);
    assert_eq!(zset.zpopmin_many::<String>("z", 0).await.unwrap(), []);
    assert_eq!(zset.zpopmax_many::<String>("z", 0).await.unwrap(), []);
}

async fn another_type_is_refused_by_every_operation(redis: &RedisManager) {
    redis.set("the-key", "sesame").await;
    let zset = redis.service().zset();
    let key = "the-key";
    let (min, max) = (LexBound::Min, LexBound::Max);
    let answers: [(&str, Result<()>); 22] = [
        ("ZADD", zset.zadd(key, [("sesame", 1)]).await.map(drop)),
        ("ZADD", zset.zadd_incr(key, "sesame", 1).await.map(drop)),
        ("ZREM", zset.zrem(key, ["sesame"]).await.map(drop)),
        ("ZSCORE", zset.zscore(key, "sesame").await.map(drop)),
        ("ZMSCORE", zset.zmscore(key, ["sesame"]).await.map(drop)),
        ("ZINCRBY", zset.zincr_by(key, "sesame", 1).await.map(drop)),
        ("ZCARD", zset.zcard(key).await.map(drop)),
        ("ZCOUNT", zset.zcount(key, 1, 2).await.map(drop)),
        (
            "ZLEXCOUNT",
            zset.zlexcount(key, min.clone(), max.clone()).await.map(drop),
        ),
        ("ZRANGE", zset.zrange(key, 0, -1).members::<String>().await.map(drop)),
        (
            "ZRANGE",
            zset.zrange(key, 0, -1).with_scores::<String>().await.map(drop),
        ),
        ("ZRANGE", zset.zrangebyscore::<String>(key, 0, 1).await.map(drop)),
        ("ZRANK", zset.zrank(key, "sesame").await.map(drop)),
        ("ZREVRANK", zset.zrevrank(key, "sesame").await.map(drop)),
        ("ZRANK", zset.zrank_with_score(key, "sesame").await.map(drop)),
        ("ZREMRANGEBYSCORE", zset.zremrangebyscore(key, 1, 2).await.map(drop)),
        ("ZREMRANGEBYRANK", zset.zremrangebyrank(key, 1, 2).await.map(drop)),
        ("ZREMRANGEBYLEX", zset.zremrangebylex(key, min, max).await.map(drop)),
        ("ZPOPMIN", zset.zpopmin::<String>(key).await.map(drop)),
        ("ZPOPMAX", zset.zpopmax_many::<String>(key, 2).await.map(drop)),
        ("ZUNIONSTORE", zset.zunionstore("to", [key]).await.map(drop)),
        ("ZINTERSTORE", zset.zinterstore("to", [key]).await.map(drop)),
    ];
    for (operation, answer) in answers {
        let error = answer.unwrap_err();
        assert_told(&error, ErrorKind::WrongType, operation);
        let text = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(error.message(), text, "{operation}");
    }
    assert_eq!(redis.get("the-key").await.as_deref(), Some("sesame"));
}

async fn hostile_members_come_back_from_every_operation(redis: &RedisManager) {
    let zset = redis.service().zset();
    for (at, list) in hostile_lists().enumerate() {
        let key = format!("z{at}");
        // The hostile one stands first, in both directions.
        let up = list.iter().enumerate().map(|(place, member)| (*member, place as f64));
        let down = list
            .iter()
            .enumerate()
            .map(|(place, member)| (*member, -(place as f64)));
        zset.zadd(&key, up).await.unwrap();
        zset.zadd(format!("{key} down"), down).await.unwrap();
        zset.zadd(format!("{key} lex"), list.iter().map(|member| (*member, 0)))
            .await
            .unwrap();
        let pairs: Vec<(Bytes, f64)> = list
            .iter()
            .enumerate()
            .map(|(place, member)| (Bytes::from_static(member), place as f64))
            .collect();

        assert_eq!(zset.zrange(&key, 0, -1).members::<Bytes>().await.unwrap(), list);
        let reversed = zset.zrange(format!("{key} down"), 0, -1).rev();
        assert_eq!(reversed.members::<Bytes>().await.unwrap(), list);
        assert_eq!(
            zset.zrangebyscore::<Bytes>(&key, ScoreBound::MIN, ScoreBound::MAX)
                .await
                .unwrap(),
            list
        );
        let mut sorted = list.clone();
        sorted.sort_unstable();
        let lex = zset.zrange_by_lex(format!("{key} lex"), LexBound::Min, LexBound::Max);
        assert_eq!(lex.members::<Bytes>().await.unwrap(), sorted);
        assert_eq!(zset.zrange(&key, 0, -1).with_scores::<Bytes>().await.unwrap(), pairs);
        assert_eq!(
            zset.zmscore(&key, list.iter().copied()).await.unwrap().len(),
            list.len()
        );
        assert_eq!(zset.zrank_with_score(&key, list[0]).await.unwrap(), Some((0, 0.0)));
        assert_eq!(
            zset.zpopmin_many::<Bytes>(&key, list.len() as u64).await.unwrap(),
            pairs
        );
        let first = zset.zpopmax::<Bytes>(format!("{key} down")).await.unwrap();
        assert_eq!(first.unwrap().0, list[0]);
        assert_in_step(redis).await;
    }
    assert_eq!(zset.zadd("all", HOSTILE.map(|member| (member, 1))).await.unwrap(), 5);
    assert_eq!(zset.zrem("all", HOSTILE).await.unwrap(), 5);
}

async fn many_members_come_back_in_order(redis: &RedisManager) {
    let zset = redis.service().zset();
    let members = (0..20_000).map(|n| (n * 7_919 % 20_000, f64::from(n * 7_919 % 20_000)));
    assert_eq!(zset.zadd("z", members).await.unwrap(), 20_000);
    let found: Vec<u32> = zset.zrange("z", 0, -1).members().await.unwrap();
    assert!(found.into_iter().eq(0..20_000));
    assert_eq!(zset.zrank("z", 12_345).await.unwrap(), Some(12_345));
}

async fn a_sorted_set_is_copied_and_renamed_as_a_whole(redis: &RedisManager) {
    four(redis, "z").await;
    let keys = redis.service().keys();
    assert!(keys.copy("z", "copy", false).await.unwrap());
    redis.service().zset().zrem("z", ["a"]).await.unwrap();
    keys.rename("copy", "renamed").await.unwrap();
    assert_eq!(all(redis, "renamed").await.len(), 4);
    assert_eq!(all(redis, "z").await.len(), 3);
}
