//! What a fake broker does with one request.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ringbrook_protocol::{Decodable, Encodable, Request};
use tokio::sync::watch;

use super::Asked;

/// What a fake broker does with one request: an answer, and what happens to it on its way.
pub(crate) struct Reply<R> {
    prepared: Prepared,
    request: PhantomData<fn(R)>,
}

/// A [`Reply`] whose request type is forgotten.
pub(super) struct Prepared {
    pub(super) content: Content,
    pub(super) fate: Fate,
    pub(super) delay: Duration,
    pub(super) gate: Option<Gate>,
}

pub(super) enum Content {
    /// What the fake answers by itself, changed.
    Builtin(Option<Change>),
    /// An answer's body.
    Body(Box<dyn FnOnce(&Asked) -> Bytes + Send>),
    /// Bytes instead of a frame.
    Raw(Bytes),
    /// Nothing, and nothing happens at the broker either.
    Nothing,
}

pub(super) type Change = Box<dyn FnOnce(&Asked, Bytes) -> Bytes + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    /// The connection ends after so many bytes of the frame.
    CutAfter(usize),
    /// It is never sent; the connection stays.
    Lost,
    /// It is sent after the next answer.
    AfterNext,
    /// It comes with a correlation id that is wrong by so much.
    Misnumbered(i32),
}

impl<R: Request> Reply<R> {
    fn new(content: Content) -> Self {
        Self {
            prepared: Prepared {
                content,
                fate: Fate::Arrives,
                delay: Duration::ZERO,
                gate: None,
            },
            request: PhantomData,
        }
    }

    /// This answer.
    pub(crate) fn answer(response: R::Response) -> Self
    where
        R::Response: Send + 'static,
    {
        Self::new(Content::Body(Box::new(move |asked| {
            encoded(&response, asked.version)
        })))
    }

    /// What the fake cluster answers without a script.
    pub(crate) fn builtin() -> Self {
        Self::new(Content::Builtin(None))
    }

    /// What the fake cluster answers without a script, changed.
    pub(crate) fn changed(change: impl FnOnce(&mut R::Response) + Send + 'static) -> Self {
        Self::new(Content::Builtin(Some(Box::new(move |asked, mut body| {
            let mut response = R::Response::decode(&mut body, asked.version).unwrap();
            change(&mut response);
            encoded(&response, asked.version)
        }))))
    }

    /// No answer ever, nor to what comes behind it; the connection stays open, and nothing is done
    /// at the broker.
    pub(crate) fn ignored() -> Self {
        Self::new(Content::Nothing)
    }

    /// These bytes in place of a response frame.
    pub(crate) fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::new(Content::Raw(bytes.into()))
    }

    /// It comes so much later; so do those behind it on the same connection.
    pub(crate) fn delayed(mut self, delay: Duration) -> Self {
        self.prepared.delay = delay;
        self
    }

    /// It comes when the gate is open; so do those behind it on the same connection.
    pub(crate) fn when(mut self, gate: &Gate) -> Self {
        self.prepared.gate = Some(gate.clone());
        self
    }

    /// The broker does its work, then the connection ends without an answer.
    pub(crate) fn hang_up(self) -> Self {
        self.cut_after(0)
    }

    /// The broker does its work, then the connection ends within the answer.
    pub(crate) fn cut_after(mut self, bytes: usize) -> Self {
        self.prepared.fate = Fate::CutAfter(bytes);
        self
    }

    /// The broker does its work, but never answers, nor what comes behind it; the connection stays
    /// open.
    pub(crate) fn lost(mut self) -> Self {
        self.prepared.fate = Fate::Lost;
        self
    }

    /// The answer comes after the next one: no broker may do that.
    pub(crate) fn after_next(mut self) -> Self {
        self.prepared.fate = Fate::AfterNext;
        self
    }

    /// The answer carries another correlation id: no broker may do that.
    pub(crate) fn misnumbered(mut self, by: i32) -> Self {
        self.prepared.fate = Fate::Misnumbered(by);
        self
    }

    pub(super) fn into_prepared(self) -> Prepared {
        self.prepared
    }
}

impl Prepared {
    pub(super) fn builtin() -> Self {
        Self {
            content: Content::Builtin(None),
            fate: Fate::Arrives,
            delay: Duration::ZERO,
            gate: None,
        }
    }
}

pub(super) fn encoded<T: Encodable>(response: &T, version: i16) -> Bytes {
    let mut body = BytesMut::new();
    response
        .encode(&mut body, version)
        .expect("the test's answer fits the version");
    body.freeze()
}

/// Holds answers back until it is opened.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through, now and later.
    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        let mut is_open = self.0.subscribe();
        is_open
            .wait_for(|is_open| *is_open)
            .await
            .expect("this gate holds the sender");
    }
}
