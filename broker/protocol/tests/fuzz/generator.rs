//! Random request and response bodies made from the shapes of `ringbrook_protocol::schema`.

use ringbrook_protocol::schema::{Field, Kind, Shape};

use crate::random::Random;

/// A list without elements in flexible versions, the only ones with tagged fields.
const EMPTY_LIST: [u8; 1] = [1];

/// What kind of bodies to make.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Nothing is null, so every one must decode and encode again to the same bytes.
    Canonical,
    /// Lists, text and bytes may be null, which some fields refuse.
    Loose,
    /// Long lists of the smallest elements: the most memory for the fewest bytes.
    Bulk,
}

/// Makes bodies of one shape in one version.
pub(crate) struct Generator {
    shape: &'static Shape,
    version: i16,
    style: Style,
    is_flexible: bool,
    /// Lists are short once the body is long, so nesting does not multiply.
    elements_left: usize,
}

impl Generator {
    pub(crate) fn new(shape: &'static Shape, version: i16, style: Style) -> Self {
        let is_flexible = shape.flexible_from <= version;
        let elements_left = if style == Style::Bulk { 8000 } else { 40 };
        Self {
            shape,
            version,
            style,
            is_flexible,
            elements_left,
        }
    }

    pub(crate) fn body(mut self, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        self.structure(&mut out, self.shape.fields, random);
        out
    }

    fn structure(&mut self, out: &mut Vec<u8>, fields: &[Field], random: &mut Random) {
        let present = |field: &&Field| field.is_present(self.version);
        let (tagged, plain): (Vec<&Field>, Vec<&Field>) = fields
            .iter()
            .filter(present)
            .partition(|field| field.tag.is_some());
        for field in plain {
            self.field(out, field.kind, random);
        }
        if self.is_flexible {
            self.tags(out, fields, &tagged, random);
        }
    }

    fn field(&mut self, out: &mut Vec<u8>, kind: Kind, random: &mut Random) {
        match kind {
            Kind::Fixed(1) => out.push(u8::from(random.one_in(2))),
            Kind::Fixed(bytes) => out.extend((0..bytes).map(|_| random.byte())),
            Kind::String => self.string(out, random),
            Kind::Bytes => match self.length(random, 20) {
                None => self.put_length(out, None),
                Some(len) => {
                    self.put_length(out, Some(len));
                    out.extend((0..len).map(|_| random.byte()));
                }
            },
            Kind::Numbers(bytes) => {
                self.list(out, random, |_, out, random| {
                    out.extend((0..bytes).map(|_| random.byte()));
                });
            }
            Kind::Strings { .. } => self.list(out, random, Self::string),
            Kind::Array { fields, .. } => self.list(out, random, |generator, out, random| {
                generator.structure(out, fields, random);
            }),
            Kind::Structure(fields) => self.structure(out, fields, random),
            Kind::Option(fields) => {
                if random.one_in(3) {
                    out.push(0xff);
                } else {
                    out.push(1);
                    self.structure(out, fields, random);
                }
            }
        }
    }

    fn list(
        &mut self,
        out: &mut Vec<u8>,
        random: &mut Random,
        element: impl Fn(&mut Self, &mut Vec<u8>, &mut Random),
    ) {
        let count_max = if self.style == Style::Bulk { 5000 } else { 3 };
        let count = self.length(random, count_max.min(self.elements_left));
        self.put_length(out, count);
        self.elements_left -= count.unwrap_or(0);
        for _ in 0..count.unwrap_or(0) {
            element(self, out, random);
        }
    }

    fn string(&mut self, out: &mut Vec<u8>, random: &mut Random) {
        let len_max = if self.style == Style::Bulk { 1 } else { 12 };
        let len = self.length(random, len_max);
        if self.is_flexible {
            self.put_length(out, len);
        } else {
            let len = len.map_or(-1, |len| i16::try_from(len).expect("short text"));
            out.extend(len.to_be_bytes());
        }
        out.extend((0..len.unwrap_or(0)).map(|_| b'a' + random.byte() % 26));
    }

    /// A length, or `None` for null where the style has it.
    fn length(&self, random: &mut Random, max: usize) -> Option<usize> {
        let is_null = self.style == Style::Loose && random.one_in(20);
        (!is_null).then(|| random.below(max + 1))
    }

    fn put_length(&self, out: &mut Vec<u8>, length: Option<usize>) {
        if self.is_flexible {
            put_varint(out, length.map_or(0, |length| length + 1));
        } else {
            let length = length.map_or(-1, |length| i32::try_from(length).expect("short list"));
            out.extend(length.to_be_bytes());
        }
    }

    /// Known tagged fields with values that are not their defaults, then unknown ones. The unknown
    /// ones start right after the known tags: one that kafka-protocol knows after all would not
    /// come back unchanged.
    fn tags(&mut self, out: &mut Vec<u8>, fields: &[Field], known: &[&Field], random: &mut Random) {
        let mut tags: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in known {
            if random.one_in(2) {
                continue;
            }
            let mut content = Vec::new();
            self.field(&mut content, field.kind, random);
            let is_default = match field.kind {
                Kind::Array { .. } => content == EMPTY_LIST,
                Kind::Fixed(1) => content == [0],
                _ => false,
            };
            if is_default {
                continue;
            }
            tags.push((field.tag.expect("a tagged field"), content));
        }
        let first_unknown = fields
            .iter()
            .filter_map(|field| field.tag)
            .max()
            .map_or(0, |t| t + 1);
        for tag in first_unknown..first_unknown + 6 {
            if random.one_in(12) {
                tags.push((tag, random.bytes(6)));
            }
        }
        put_varint(out, tags.len());
        for (tag, content) in tags {
            put_varint(out, tag as usize);
            put_varint(out, content.len());
            out.extend(content);
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while 0x80 <= value {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
