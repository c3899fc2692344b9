//! The readers that go through older parts of a log: where each of them is, up to where its bytes
//! are known to be cached, what is read ahead for it, and which pages only such readers brought
//! into the page cache. Decides what to ask, to read ahead and to drop; does no I/O, that is
//! `log::cold_read`. Behind a lock of its own. A reader of what was appended just now never comes
//! here.
//!
//! A scan must not push out what others have cached. So what was not cached before it came is
//! dropped behind it, unless another reader of this log follows within [`FOLLOW_BYTES`]: then the
//! last one of them has it dropped. All amounts are limited, so a reader costs a hundred bytes and
//! the pages of one window.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::watch;

/// Readers of one log that are told apart; more of them share the memory of the least recent.
const READERS_MAX: usize = 8;
/// Pieces that are remembered as brought in, each of at most [`PIECE_BYTES_MAX`].
const BROUGHT_MAX: usize = 96;
/// Bytes of one remembered piece.
const PIECE_BYTES_MAX: u64 = 1 << 20;
/// Least and most bytes read ahead of a reader; between them twice what it fetches at once.
const AHEAD_BYTES_MIN: u64 = 1 << 20;
const AHEAD_BYTES_MAX: u64 = 4 << 20;
/// Bytes that stay behind a reader: of its previous answer, which may still be on its way.
const LAG_BYTES: u64 = 256 << 10;
/// What was brought in stays for readers that are not further behind than this.
const FOLLOW_BYTES: u64 = 32 << 20;
/// Bytes that are dropped at once.
const DROP_BYTES_MIN: u64 = 1 << 20;
/// Bytes that are asked about at once as long as everything is cached.
const ASK_BYTES: u64 = 2 << 20;

/// A part of a segment that is about to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Base offset of the segment.
    pub(crate) segment: i64,
    pub(crate) range: Range<u64>,
    /// Published bytes of the segment.
    pub(crate) segment_bytes: u64,
}

/// What to do before the bytes are sent.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing: they are cached.
    Cached,
    /// They are being read: wait until the position shown is past them, or the sender is gone, and
    /// ask again.
    Wait(watch::Receiver<u64>),
    /// Find out whether they are cached, and tell with [`Scans::found`].
    /// This is the wanted range, with further bytes if nothing had to be read lately.
    Ask(Range<u64>),
}

/// Bytes to read before they are asked for.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    pub(crate) reader: u64,
    pub(crate) range: Range<u64>,
    /// Shows how far it is.
    pub(crate) progress: watch::Sender<u64>,
}

/// Pages that only scans brought into the cache.
#[derive(Debug)]
struct Brought<F> {
    segment: i64,
    file: Arc<F>,
    range: Range<u64>,
}

#[derive(Debug)]
struct Reader {
    id: u64,
    segment: i64,
    /// The part that was wanted last.
    last: Range<u64>,
    /// Everything from `last.start` up to here is cached.
    known_to: u64,
    /// The segment's bytes at the last step.
    segment_bytes: u64,
    /// Something had to be read for it.
    is_cold: bool,
    /// It went on from where it was.
    is_sequential: bool,
    ahead: Option<(Range<u64>, watch::Receiver<u64>)>,
    /// When it was used last, in steps of all readers.
    used_at: u64,
    /// It was used since the last sweep.
    is_used: bool,
}

impl Reader {
    /// Where what is known or being read ends.
    fn planned_to(&self) -> u64 {
        let ahead = self.ahead.as_ref().map_or(0, |(range, _)| range.end);
        self.known_to.max(ahead)
    }

    fn goes_on_at(&self, wanted: &Wanted) -> bool {
        self.segment == wanted.segment
            && self.last.start <= wanted.range.start
            && wanted.range.start <= self.last.end
    }

    fn goes_on_with_segment(&self, wanted: &Wanted) -> bool {
        wanted.range.start == 0
            && self.segment < wanted.segment
            && self.segment_bytes <= self.last.end
    }

    /// Whether it may still want a part of its segment.
    fn may_want(&self, segment: i64, range: &Range<u64>) -> bool {
        self.segment == segment
            && self.last.start.saturating_sub(LAG_BYTES) < range.end
            && range.start < self.last.start.saturating_add(FOLLOW_BYTES)
    }
}

/// The readers of one log; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Scans<F> {
    readers: Vec<Reader>,
    brought: VecDeque<Brought<F>>,
    /// Pieces that were forgotten for want of room and are to be dropped.
    surplus: Vec<(Arc<F>, Range<u64>)>,
    steps: u64,
}

impl<F> Default for Scans<F> {
    fn default() -> Self {
        Self {
            readers: Vec::new(),
            brought: VecDeque::new(),
            surplus: Vec::new(),
            steps: 0,
        }
    }
}

impl<F> Scans<F> {
    /// Somebody wants bytes: finds out which reader that is, and what to do.
    pub(crate) fn step(&mut self, wanted: &Wanted) -> (u64, Step) {
        self.steps += 1;
        let steps = self.steps;
        let index = self.reader_of(wanted);
        let reader = &mut self.readers[index];
        reader.used_at = steps;
        reader.is_used = true;
        reader.last = wanted.range.clone();
        reader.segment_bytes = wanted.segment_bytes;
        if wanted.range.end <= reader.known_to {
            return (reader.id, Step::Cached);
        }
        if let Some((range, progress)) = &reader.ahead {
            let is_under_way = progress.has_changed().is_ok();
            if is_under_way && range.start <= reader.known_to && reader.known_to < range.end {
                return (reader.id, Step::Wait(progress.clone()));
            }
            reader.ahead = None;
        }
        let asked = if reader.is_cold {
            wanted.range.end
        } else {
            let further = wanted.range.start.saturating_add(ASK_BYTES);
            wanted.range.end.max(further.min(wanted.segment_bytes))
        };
        (reader.id, Step::Ask(wanted.range.start..asked))
    }

    /// The reader that goes on here, or a new one.
    fn reader_of(&mut self, wanted: &Wanted) -> usize {
        let steps = self.steps;
        let going_on = |reader: &&Reader| reader.goes_on_at(wanted);
        let nearest = self.readers.iter().filter(going_on);
        let nearest = nearest.max_by_key(|reader| reader.last.start);
        if let Some(id) = nearest.map(|reader| reader.id) {
            return self.used_again(id, wanted);
        }
        let ended = self.readers.iter();
        let ended = ended.filter(|reader| reader.goes_on_with_segment(wanted));
        if let Some(id) = ended.max_by_key(|reader| reader.segment).map(|it| it.id) {
            let index = self.used_again(id, wanted);
            let reader = &mut self.readers[index];
            reader.segment = wanted.segment;
            reader.known_to = 0;
            reader.ahead = None;
            return index;
        }
        if READERS_MAX <= self.readers.len() {
            let oldest = self.readers.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, reader)| reader.used_at);
            if let Some(index) = oldest.map(|(index, _)| index) {
                self.readers.swap_remove(index);
            }
        }
        self.readers.push(Reader {
            id: steps,
            segment: wanted.segment,
            last: wanted.range.clone(),
            known_to: wanted.range.start,
            segment_bytes: wanted.segment_bytes,
            is_cold: false,
            is_sequential: false,
            ahead: None,
            used_at: steps,
            is_used: true,
        });
        self.readers.len() - 1
    }

    fn used_again(&mut self, id: u64, wanted: &Wanted) -> usize {
        let index = self.readers.iter().position(|reader| reader.id == id);
        let index = index.expect("the id is of one of the readers");
        let reader = &mut self.readers[index];
        // Asking for the same again is not going on.
        reader.is_sequential |= reader.last.start != wanted.range.start;
        index
    }

    /// The answer to [`Step::Ask`]: everything up to `known_to` is cached now, and something had to
    /// be read for that if `is_cold`.
    pub(crate) fn found(&mut self, reader: u64, known_to: u64, is_cold: bool) {
        if let Some(reader) = self.readers.iter_mut().find(|it| it.id == reader) {
            reader.known_to = known_to;
            reader.is_cold = is_cold;
        }
    }

    /// What to read ahead for a reader that wanted these bytes: the next window, once half of the
    /// one before is used.
    pub(crate) fn read_ahead(&mut self, reader: u64, wanted: &Wanted) -> Option<ReadAhead> {
        let mut readers = self.readers.iter_mut();
        let reader = readers.find(|it| it.id == reader && it.segment == wanted.segment)?;
        let is_under_way = |progress: &watch::Receiver<u64>| progress.has_changed().is_ok();
        if let Some((_, progress)) = &reader.ahead
            && is_under_way(progress)
        {
            return None;
        }
        let fetched = wanted.range.end - wanted.range.start;
        let window = (2 * fetched).clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        let from = reader.planned_to();
        let to = (wanted.range.end + window).min(wanted.segment_bytes);
        let is_due = from <= wanted.range.end + window / 2 && from < to;
        if !reader.is_cold || !reader.is_sequential || !is_due {
            return None;
        }
        let (progress, receiver) = watch::channel(from);
        reader.ahead = Some((from..to, receiver));
        Some(ReadAhead {
            reader: reader.id,
            range: from..to,
            progress,
        })
    }

    /// A reader's bytes were read ahead up to `reached`.
    pub(crate) fn read_ahead_reached(&mut self, reader: u64, reached: u64) {
        let reader = self.readers.iter_mut().find(|it| it.id == reader);
        if let Some(reader) = reader
            && let Some((range, _)) = &reader.ahead
            && range.start <= reader.known_to
        {
            reader.known_to = reader.known_to.max(reached.min(range.end));
        }
    }

    /// Pages were read that had not been cached before.
    pub(crate) fn brought(&mut self, segment: i64, file: &Arc<F>, range: Range<u64>) {
        if let Some(last) = self.brought.back_mut()
            && last.segment == segment
            && last.range.end == range.start
            && range.end - last.range.start <= PIECE_BYTES_MAX
        {
            last.range.end = range.end;
            return;
        }
        if BROUGHT_MAX <= self.brought.len()
            && let Some(oldest) = self.brought.pop_front()
        {
            self.surplus.push((oldest.file, oldest.range));
        }
        self.brought.push_back(Brought {
            segment,
            file: Arc::clone(file),
            range,
        });
    }

    /// Takes the pages that no reader wants any more, if they are enough to be worth it.
    pub(crate) fn take_droppable(&mut self) -> Vec<(Arc<F>, Range<u64>)> {
        let is_wanted = |readers: &[Reader], piece: &Brought<F>| {
            let mut readers = readers.iter();
            readers.any(|reader| reader.may_want(piece.segment, &piece.range))
        };
        let surplus = self
            .surplus
            .iter()
            .map(|(_, range)| range.end - range.start);
        let unwanted = self.brought.iter();
        let unwanted = unwanted.filter(|piece| !is_wanted(&self.readers, piece));
        let unwanted = unwanted.map(|piece| piece.range.end - piece.range.start);
        let bytes: u64 = surplus.chain(unwanted).sum();
        if bytes < DROP_BYTES_MIN {
            return Vec::new();
        }
        self.take_unwanted()
    }

    fn take_unwanted(&mut self) -> Vec<(Arc<F>, Range<u64>)> {
        let mut taken = std::mem::take(&mut self.surplus);
        let readers = &self.readers;
        self.brought.retain(|piece| {
            let mut readers = readers.iter();
            let is_wanted = readers.any(|reader| reader.may_want(piece.segment, &piece.range));
            if !is_wanted {
                taken.push((Arc::clone(&piece.file), piece.range.clone()));
            }
            is_wanted
        });
        taken
    }

    /// Forgets readers that were not used since the last sweep, and that anything is known to be
    /// cached; takes what then nobody wants.
    pub(crate) fn sweep(&mut self) -> Vec<(Arc<F>, Range<u64>)> {
        self.readers
            .retain_mut(|reader| std::mem::take(&mut reader.is_used));
        for reader in &mut self.readers {
            if reader.ahead.is_none() {
                reader.known_to = reader.last.start;
            }
        }
        self.take_unwanted()
    }

    /// Whether nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.readers.is_empty() && self.brought.is_empty() && self.surplus.is_empty()
    }
}

#[cfg(test)]
mod tests;
