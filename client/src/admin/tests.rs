//! Which errors of which calls are tried again, and which are the caller's: every error that there
//! is, for each call. And what becomes of calls that succeed in part.

mod calls;
mod parts;

use ringbrook_protocol::{Request, ResponseError};

use super::Admin;
use crate::config::AdminConfig;
use crate::error::ClientError;
use crate::testing::{FakeCluster, Reply};

fn admin_of(fake: &FakeCluster) -> Admin {
    let config = AdminConfig {
        client: fake.client_config(),
        ..AdminConfig::new(fake.addresses())
    };
    Admin::with_connector(config, fake.connector()).unwrap()
}

/// Every error that brokers have a code for.
fn all_errors() -> impl Iterator<Item = ResponseError> {
    (-1..=200)
        .filter(|code| *code != 0)
        .filter_map(ResponseError::try_from_code)
        .filter(|error| !matches!(error, ResponseError::Unknown(_)))
}

/// A call whose first answer is an error, and whose second one would be a success: for each error,
/// either the second answer is asked for, or the error comes back at once.
async fn check<R: Request, V: std::fmt::Debug>(
    is_retried: impl Fn(ResponseError) -> bool,
    answer: impl Fn(&R, i16) -> R::Response + Clone + Send + 'static,
    call: impl AsyncFn(&Admin) -> Result<V, ClientError>,
) where
    R::Response: Send + 'static,
{
    for error in all_errors() {
        let fake = FakeCluster::new(2);
        let (first, then) = (answer.clone(), answer.clone());
        fake.next::<R>(move |_, request| Reply::answer(first(&request, error.code())));
        fake.on::<R>(move |_, request| Reply::answer(then(&request, 0)));
        let result = call(&admin_of(&fake)).await;
        let requests_count = fake.requests::<R>().len();
        if is_retried(error) {
            assert!(result.is_ok(), "{error:?}: {result:?}");
            assert_eq!(requests_count, 2, "{error:?}");
        } else {
            let Err(returned) = result else {
                panic!("{error:?} is the caller's, and came to {result:?}");
            };
            assert_eq!(returned.response_error(), Some(error), "{returned}");
            assert_eq!(requests_count, 1, "{error:?}");
        }
    }
}

fn never(_: ResponseError) -> bool {
    false
}

fn of_controller(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::NotController | ResponseError::ThrottlingQuotaExceeded
    )
}
