//! How large a request is, and its future.

use fred::interfaces::HashesInterface;

use crate::{
    Outcome,
    arguments::Arguments,
    report::{self, Goal, per_call, print_future},
    rival,
    server::RedisServer,
    suite::runtime,
};

/// Measures what is moved, and what is put into a box.
pub(super) fn sizes(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    runtime()?.block_on(async {
        let manager = server.manager()?;
        let request = manager.service().hash().hget::<String>("key", "f");
        let bytes = per_call(size_of_val(&request) as u64, 1);
        report::print("request_bytes", bytes, Goal::Any);
        // What is in the box: the box itself is two words.
        print_future("honest_future_bytes", &*IntoFuture::into_future(request));
        let fred = rival::plain_pool(&server).await?;
        let theirs = fred.next().hget::<Option<String>, _, _>("key", "f");
        print_future("fred_hget_future_bytes", &theirs);
        Ok(())
    })
}
