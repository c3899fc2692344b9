//! How a message is laid out: its fields in their order, and what kind each is.
//!
//! The tables beside this file are made of these; `decode.rs` walks them.

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    I8,
    I16,
    U16,
    I32,
    I64,
    F64,
    Uuid,
    Str,
    Bytes,
    /// Bytes; when the group's protocol type is `consumer`, a message behind its version.
    Embedded(&'static Schema),
    Struct(&'static [Field]),
    Array(&'static Kind),
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Its name in JSON.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The first version that has it.
    pub(super) since: i16,
    /// The last version that has it.
    pub(super) until: i16,
    /// The first version in which it may be null.
    pub(super) nullable_since: i16,
    /// Its number among the tagged fields, if it is one.
    pub(super) tag: Option<u32>,
}

/// A field of every version that is never null.
pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        since: 0,
        until: i16::MAX,
        nullable_since: i16::MAX,
        tag: None,
    }
}

impl Field {
    pub(super) const fn since(mut self, version: i16) -> Self {
        self.since = version;
        self
    }

    pub(super) const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }

    pub(super) const fn nullable(mut self) -> Self {
        self.nullable_since = 0;
        self
    }

    pub(super) const fn tagged(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }
}

/// A message: its versions and fields.
#[derive(Debug)]
pub(super) struct Schema {
    /// The first and the last version.
    pub(super) versions: (i16, i16),
    /// The first version with compact lengths and tagged fields.
    pub(super) flexible_since: i16,
    pub(super) fields: &'static [Field],
}

/// A kind of record in a coordinator's topic.
#[derive(Debug)]
pub(super) struct RecordType {
    /// What a key begins with.
    pub(super) id: i16,
    pub(super) key: &'static Schema,
    pub(super) value: &'static Schema,
}

impl RecordType {
    pub(super) const fn new(id: i16, key: &'static Schema, value: &'static Schema) -> Self {
        Self { id, key, value }
    }
}
