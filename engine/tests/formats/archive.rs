//! Unpacks a fixture: a gzip-compressed tar of plain files (POSIX ustar). Only what these archives
//! have; anything else panics.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

/// Bytes of a tar header, and what everything is padded to.
const BLOCK_BYTES: usize = 512;
const DIRECTORY: u8 = b'5';
const FILE: u8 = b'0';

/// Unpacks those entries of `fixtures/<name>.tar.gz` into `target` whose path is wanted.
pub(crate) fn unpack(name: &str, target: &Path, is_wanted: impl Fn(&str) -> bool) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let archive = fs::File::open(fixtures.join(format!("{name}.tar.gz"))).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(archive).read_to_end(&mut bytes).unwrap();
    let mut at = 0;
    while bytes[at] != 0 {
        let header = &bytes[at..at + BLOCK_BYTES];
        let path = text(&header[..100]);
        assert!(text(&header[345..500]).is_empty(), "a long name: {path}");
        let size = usize::from_str_radix(text(&header[124..136]).trim(), 8).unwrap();
        at += BLOCK_BYTES;
        let file = target.join(path);
        match header[156] {
            _ if !is_wanted(path) => {}
            DIRECTORY => fs::create_dir_all(file).unwrap(),
            FILE => fs::write(file, &bytes[at..at + size]).unwrap(),
            other => panic!("{path} is of type {other}"),
        }
        at += size.next_multiple_of(BLOCK_BYTES);
    }
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0);
    std::str::from_utf8(&field[..end.unwrap_or(field.len())]).unwrap()
}
