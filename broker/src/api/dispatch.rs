//! From a frame to a handler: header, version, body, call.

use std::future::Future;
use std::rc::Rc;

use bytes::{Buf, Bytes};
use futures_util::FutureExt;
use ringbrook_protocol::{
    ApiKey, HeaderPrefix, ProtocolError, Request, ResponseBody, decode, decode_request_header,
};

use super::{Answer, ConnectionContext, RequestContext, Response, api_versions, table};

/// How the table calls a handler: decode the body, run the handler.
pub(crate) type Handler = fn(RequestContext, Bytes) -> Result<Answer, ProtocolError>;

/// Reads the header of `frame` and hands the request to its handler.
///
/// # Errors
/// A frame that cannot be answered in a way that the client would understand: the connection has to
/// be closed. An unknown version of `ApiVersions` is answered with the version list (KIP-511).
pub(crate) fn dispatch(
    connection: &Rc<ConnectionContext>,
    prefix: HeaderPrefix,
    mut frame: Bytes,
) -> Result<Answer, ProtocolError> {
    let metrics = &connection.broker.metrics;
    let entry = match table::find(prefix.api_key, prefix.api_version) {
        Ok(entry) => entry,
        Err(unsupported) => {
            metrics.requests_unsupported.increment();
            if prefix.api_key == ApiKey::ApiVersions as i16 {
                return Ok(Answer::Ready(api_versions::unsupported(connection, prefix)));
            }
            return Err(unsupported);
        }
    };
    let header =
        decode_request_header(&frame, entry.key.request_header_version(prefix.api_version))?;
    let ctx = RequestContext {
        connection: Rc::clone(connection),
        api_version: prefix.api_version,
        correlation_id: prefix.correlation_id,
        client_id: connection.client_id(header.client_id.unwrap_or_default())?,
    };
    let header_bytes = header.size_bytes;
    frame.advance(header_bytes);
    connection.turn.count_request();
    (entry.handle)(ctx, frame)
}

/// Decodes the body of a request.
fn request<Q: Request>(ctx: &RequestContext, body: Bytes) -> Result<Q, ProtocolError> {
    decoded(ctx, Q::KEY, decode(body, ctx.api_version))
}

/// Counts and logs a request that could not be decoded.
pub(super) fn decoded<Q>(
    ctx: &RequestContext,
    api_key: i16,
    request: Result<Q, ProtocolError>,
) -> Result<Q, ProtocolError> {
    request.inspect_err(|error| {
        ctx.broker().metrics.requests_invalid.increment();
        let (version, client_id) = (ctx.api_version, ctx.client_id());
        tracing::info!(api_key, version, client_id, %error, "request not decodable");
    })
}

/// Runs an `async` handler that gives the message to answer with.
pub(super) fn answer<Q, R, F, Fut>(
    ctx: RequestContext,
    body: Bytes,
    handler: F,
) -> Result<Answer, ProtocolError>
where
    Q: Request + 'static,
    R: ResponseBody,
    F: FnOnce(RequestContext, Q) -> Fut + 'static,
    Fut: Future<Output = R> + 'static,
{
    respond(ctx, body, async move |ctx: RequestContext, request: Q| {
        Response::message(&ctx, &handler(ctx.clone(), request).await)
    })
}

/// Runs an `async` handler that gives an encoded response; the answer is `Ready` when it never had
/// to wait.
pub(super) fn respond<Q, F, Fut>(
    ctx: RequestContext,
    body: Bytes,
    handler: F,
) -> Result<Answer, ProtocolError>
where
    Q: Request,
    F: FnOnce(RequestContext, Q) -> Fut,
    Fut: Future<Output = Response> + 'static,
{
    let request = request::<Q>(&ctx, body)?;
    let mut future = handler(ctx, request).boxed_local();
    Ok(match future.as_mut().now_or_never() {
        Some(response) => Answer::Ready(response),
        None => Answer::Later(future),
    })
}
