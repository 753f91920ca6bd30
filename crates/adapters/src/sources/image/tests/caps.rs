//! Images that want too much.

use std::io::{self, Read, Write};

use flate2::Compression as Level;
use flate2::write::GzEncoder;

use super::super::layer::read_layer;
use super::super::limits::size;
use super::super::manifest::Compression;
use super::*;

#[test]
fn every_cap_holds() {
    let limits = Limits {
        entries: 10,
        file_bytes: 100,
        kept_bytes: 1500,
        path_bytes: 50,
        path_depth: 5,
        ..Limits::default()
    };
    let sized = |path: &str, size: usize| entry(path, EntryType::Regular, &vec![b'x'; size], "");
    let many =
        |count: usize, path: &str| -> Entries { (0..count).map(|n| file(&format!("{path}{n}"))).collect() };
    let cases: Vec<(&str, Entries, Option<&str>)> = vec![
        ("fits", vec![archive(&[sized("m/a", 100)])], None),
        ("file", vec![archive(&[sized("m/a", 101)])], Some("at most 100 bytes")),
        ("file outside", vec![archive(&[sized("n/a", 5000), file("m/a")])], None),
        ("entries", vec![archive(&many(11, "n/"))], Some("more than 10 entries")),
        (
            "entries over layers",
            vec![archive(&many(6, "n/")), archive(&many(6, "n/"))],
            Some("more than 10 entries"),
        ),
        (
            "kept bytes",
            vec![archive(&(0..9).map(|n| sized(&format!("m/{n}"), 99)).collect::<Vec<_>>())],
            Some("may hold 1500 bytes"),
        ),
        ("kept over layers", vec![archive(&[sized("m/a", 90)]); 9], Some("may hold 1500 bytes")),
        (
            "whiteouts are kept too",
            vec![archive(&(0..9).map(|n| file(&format!("m/.wh.{n}{}", "x".repeat(40)))).collect::<Vec<_>>())],
            Some("may hold 1500 bytes"),
        ),
        ("path", vec![archive(&[file(&"x".repeat(51))])], Some("at most 50 bytes")),
        ("depth", vec![archive(&[file("a/b/c/d/e/f")])], Some("at most 5 parts")),
    ];
    for (what, layers, reason) in cases {
        match (read_with("/m", &layers, limits), reason) {
            (Err(refused), None) => assert!(refused.starts_with("ImageNoDirectory"), "{what}: {refused}"),
            (Ok(_), None) => {}
            (Err(refused), Some(reason)) => {
                assert!(refused.starts_with("ImageHostile") && refused.contains(reason), "{what}: {refused}");
            }
            (Ok(files), Some(_)) => panic!("{what}: {:?}", paths(&files)),
        }
    }
    // The size is a claim, and is held against the cap before a byte is there.
    let claim = header("m/a", EntryType::Regular, 10 << 30, "").as_bytes().to_vec();
    assert!(read("/m", &[claim]).unwrap_err().contains("at most 16 MiB"));
    let long_name = header("L", EntryType::GNULongName, 10 << 30, "").as_bytes().to_vec();
    assert!(read("/m", &[long_name]).unwrap_err().contains("extended header of"));
}

/// The same bytes again and again, counted.
struct Repeated {
    first: Vec<u8>,
    again: Vec<u8>,
    times: usize,
    at: usize,
    read: usize,
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.first[self.at..].as_ref().read(buffer)?;
        self.at += length;
        self.read += length;
        if self.at == self.first.len() && self.times > 0 {
            self.first.clone_from(&self.again);
            (self.times, self.at) = (self.times - 1, 0);
        }
        Ok(length)
    }
}

type Pack = fn(&[u8]) -> Vec<u8>;

const MEMBER: usize = 16 << 20;

/// 10 GiB of zeros in 640 members of 16 MiB each, which are a valid stream of this compression.
fn bomb(path: &str, pack: Pack) -> Repeated {
    let header = header(path, EntryType::Regular, 10 << 30, "");
    let again = pack(&vec![0; MEMBER]);
    Repeated { first: pack(header.as_bytes()), again, times: 640, at: 0, read: 0 }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

#[test]
fn ten_gibibytes_of_zeros_stop_at_the_cap() {
    let limits = Limits { layer_bytes: 64 << 20, ..Limits::default() };
    let ways: [(Compression, Pack); 2] = [(Compression::Gzip, gzip), (Compression::Zstd, zstd)];
    for (compression, pack) in ways {
        // Outside of the directory it is unpacked to be skipped, up to the cap.
        let mut outside = bomb("n/zeros", pack);
        let (members, head) = (outside.again.len(), outside.first.len());
        let mut files = Files::new("/m".parse().unwrap(), limits);
        let Err(Trouble::TooMuch(refusal)) = read_layer(&mut outside, compression, &limits, &mut files)
        else {
            panic!("{compression:?} was read");
        };
        assert!(refusal.to_string().contains("may unpack to 64 MiB"), "{refusal}");
        // Four members reach the cap; a decoder reads ahead a little.
        assert!(outside.read <= head + 5 * members + (256 << 10), "{compression:?}: {}", outside.read);
        assert!(outside.times > 600, "{compression:?}");
        // In it, its header is enough.
        let mut inside = bomb("m/zeros", pack);
        let mut files = Files::new("/m".parse().unwrap(), limits);
        let Err(Trouble::TooMuch(refusal)) = read_layer(&mut inside, compression, &limits, &mut files) else {
            panic!("{compression:?} was read");
        };
        assert!(refusal.to_string().contains("too large"), "{refusal}");
        assert!(inside.read <= head + members + (256 << 10), "{compression:?}: {}", inside.read);
    }
}

#[test]
fn a_stream_that_is_none_is_damaged() {
    let whole = archive(&[file("m/1.sql")]);
    let (packed, other) = (gzip(&whole), zstd(&whole));
    // A window of 1 GiB: magic, a descriptor without a size, the exponent 20 and its mantissa.
    let wide = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0][..], &[0; 600]].concat();
    let cases: &[(&str, Compression, &[u8], bool)] = &[
        ("gzip", Compression::Gzip, &packed, true),
        ("zstd", Compression::Zstd, &other, true),
        ("plain", Compression::Plain, &whole, true),
        ("gzip that is not", Compression::Gzip, &whole, false),
        ("zstd that is not", Compression::Zstd, &packed, false),
        ("plain that is not", Compression::Plain, &packed, false),
        ("gzip that is cut", Compression::Gzip, &packed[..packed.len() / 2], false),
        ("zstd that is cut", Compression::Zstd, &other[..other.len() / 2], false),
        ("zstd with a huge window", Compression::Zstd, &wide, false),
    ];
    for (what, compression, bytes, fine) in cases {
        let mut files = Files::new("/m".parse().unwrap(), Limits::default());
        let read = read_layer(*bytes, *compression, &Limits::default(), &mut files);
        match read {
            Ok(()) => assert!(fine, "{what}"),
            Err(Trouble::Damaged(_)) => assert!(!fine, "{what}"),
            Err(other) => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn the_documentation_names_the_caps() {
    let page = include_str!("../../../../../../docs/sources.md");
    let limits = Limits::default();
    let rows = [
        ("layers", limits.layers.to_string()),
        ("all layers as they are in the registry", size(limits.compressed_bytes)),
        ("one layer unpacked", size(limits.layer_bytes)),
        ("entries of all layers", limits.entries.to_string()),
        ("one file in the directory", size(limits.file_bytes)),
        ("all files in the directory, over all layers, with their names", size(limits.kept_bytes)),
        ("a path", format!("{} bytes, {} parts", limits.path_bytes, limits.path_depth)),
        ("a manifest, a configuration, a signed text", size(limits.document_bytes)),
        ("silence of the registry", format!("{} seconds", limits.request.as_secs())),
        ("the whole image", format!("{} minutes", limits.total.as_secs() / 60)),
    ];
    for (what, cap) in rows {
        assert!(page.contains(&format!("| {what} | {cap} |")), "{what}: {cap}");
    }
}
