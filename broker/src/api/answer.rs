//! What a handler gives back: a response now, or a future that ends in one.

use std::collections::VecDeque;

use futures_util::future::LocalBoxFuture;
use ringbrook_engine::FileRegion;
use ringbrook_engine::io::UringDisk;
use ringbrook_protocol::{EncodedResponse, ResponseBody, encode_response};

use super::{Produced, RequestContext};

/// Why a connection is closed whose response its version cannot express.
pub(crate) const NOT_ENCODABLE: &str = "response not encodable";

/// A response that is ready to be written.
pub(crate) enum Response {
    /// All the bytes of the frame.
    Send(Vec<u8>),
    /// To be encoded where it is gathered with others. It waits for nothing any more.
    Produced(Box<Produced>),
    /// Bytes and file regions, in the order in which they go out.
    SendSpliced(Box<Reply>),
    /// The protocol wants silence: Produce with `acks=0`.
    Nothing,
    /// The connection has to be closed; the text says why.
    Close(&'static str),
}

/// An encoded response with splices, and the file regions that its placeholders stand for.
pub(crate) struct Reply {
    /// Frame length, header and body, with a gap per region.
    pub(crate) encoded: EncodedResponse,
    /// One region list per gap, in order: the regions of a gap add up to its length.
    pub(crate) regions: VecDeque<FileRegion<UringDisk>>,
}

/// What dispatching a request gives.
pub(crate) enum Answer {
    /// Nothing to wait for.
    Ready(Response),
    /// Waits for the disk and other replicas, or for nothing.
    Produced(Box<Produced>),
    /// Waits for the disk, other replicas, other members or time.
    Later(LocalBoxFuture<'static, Response>),
    /// Not even begun before something else is known: the requests behind it have to wait until
    /// this gives the answer to go on with, even those that may otherwise overtake it.
    InTurn(LocalBoxFuture<'static, Answer>),
}

impl Response {
    /// Encodes `message` in the version of the request.
    ///
    /// A message that the version cannot express is a defect of the handler: it closes the
    /// connection with an error in the log instead of sending bytes the client would misread.
    pub(crate) fn message<M: ResponseBody>(ctx: &RequestContext, message: &M) -> Self {
        Self::with_regions(ctx, message, VecDeque::new())
    }

    /// Like [`Response::message`], for a message whose records are placeholders for `regions`.
    pub(crate) fn with_regions<M: ResponseBody>(
        ctx: &RequestContext,
        message: &M,
        regions: VecDeque<FileRegion<UringDisk>>,
    ) -> Self {
        match encode_response(ctx.correlation_id, message, ctx.api_version) {
            Ok(encoded) => match encoded.into_bytes() {
                Ok(bytes) => Response::Send(bytes),
                Err(encoded) => Response::SendSpliced(Box::new(Reply { encoded, regions })),
            },
            Err(error) => {
                tracing::error!(version = ctx.api_version, %error, "response not encodable");
                Response::Close(NOT_ENCODABLE)
            }
        }
    }
}
