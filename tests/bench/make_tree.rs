//! Writes what an image is made of: `make-tree MIB LAYERS FOLDER [CHANGED]`.
//!
//! Each layer is a folder of files like those of a package: programs, text, and some that is
//! compressed already; gzip makes about four tenths of it. It is the same on every machine.
//! CHANGED is a text that makes the last layer another one.
#![expect(clippy::indexing_slicing, reason = "a tool that cannot go on stops")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::Path;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(mib), Some(layers), Some(folder)) = (
        arguments.first().and_then(|text| text.parse::<u64>().ok()),
        arguments.get(1).and_then(|text| text.parse::<u64>().ok()),
        arguments.get(2),
    ) else {
        return Err(io::Error::other("usage: make-tree MIB LAYERS FOLDER [CHANGED]"));
    };
    let bytes = (mib << 20) / layers.max(1);
    for layer in 0..layers {
        let changed = arguments.get(3).filter(|_| layer + 1 == layers);
        let seed = changed.map_or(layer + 1, |text| text.bytes().map(u64::from).sum::<u64>() << 32);
        // Layers differ in size by a factor of four, as packages do.
        let bytes = bytes * (2 + layer % 7) / 5;
        package(&Path::new(folder).join(format!("package-{layer:03}")), bytes, seed)?;
    }
    Ok(())
}

/// Writes one package.
fn package(folder: &Path, bytes: u64, seed: u64) -> io::Result<()> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let words: Vec<String> = (0..3000).map(|_| random.word()).collect();
    let (mut left, mut number) = (bytes, 0);
    while left > 0 {
        let (place, size) = match number % 10 {
            0 => ("lib", 3 << 20),
            1 | 2 => ("bin", 400_000),
            3 => ("share/icons", 60_000),
            _ => ("share/doc", 12_000),
        };
        let size = left.min(size / 2 + random.below(size));
        let place = folder.join(place);
        fs::create_dir_all(&place)?;
        let mut file = BufWriter::new(File::create(place.join(format!("file-{number}")))?);
        match number % 10 {
            0..=2 => program(&mut random, size, &words, &mut file)?,
            3 => noise(&mut random, size, &mut file)?,
            _ => text(&mut random, size, &words, &mut file)?,
        }
        file.flush()?;
        left -= size;
        number += 1;
    }
    Ok(())
}

/// Machine code, tables and names, as linkers lay them out.
fn program(
    random: &mut Random,
    size: u64,
    words: &[String],
    to: &mut impl io::Write,
) -> io::Result<()> {
    // Runs of instructions that compilers write again and again.
    let idioms: Vec<Vec<u8>> = (0..1500)
        .map(|_| (0..4 + random.below(20)).map(|_| random.next().to_le_bytes()[3]).collect())
        .collect();
    let mut out = Vec::with_capacity(1 << 16);
    let mut written = 0;
    while written < size {
        out.clear();
        match random.below(10) {
            0..=5 => {
                for _ in 0..1000 {
                    // Some are far more frequent than others.
                    let which = random.below(1500).min(random.below(1500)).min(random.below(1500));
                    let idiom: &Vec<u8> = at(&idioms, which);
                    out.extend_from_slice(idiom);
                    let operand = usize::try_from(random.below(4)).unwrap_or(0);
                    out.extend(random.next().to_le_bytes().into_iter().take(operand));
                }
            }
            6 | 7 => {
                let mut address = random.next() & 0xff_ffff;
                for _ in 0..1000 {
                    address += 16 + random.below(60) * 4;
                    out.extend_from_slice(&address.to_le_bytes());
                    out.extend_from_slice(&random.below(4).to_le_bytes());
                }
            }
            8 => out.resize(6000, 0),
            _ => text(random, 6000, words, &mut out)?,
        }
        let most = usize::try_from(size - written).unwrap_or(usize::MAX).min(out.len());
        out.truncate(most);
        to.write_all(&out)?;
        written += most as u64;
    }
    Ok(())
}

/// Sentences, some of them again and again.
fn text(
    random: &mut Random,
    size: u64,
    words: &[String],
    to: &mut impl io::Write,
) -> io::Result<()> {
    let mut out = String::new();
    let mut past: Vec<String> = Vec::new();
    while (out.len() as u64) < size {
        if !past.is_empty() && random.below(6) == 0 {
            let again: &String = at(&past, random.below(past.len() as u64));
            out.push_str(again);
            continue;
        }
        let mut sentence = String::new();
        for _ in 0..6 + random.below(9) {
            let which = random.below(3000).min(random.below(3000));
            let word: &String = at(words, which);
            sentence.push_str(word);
            sentence.push(' ');
        }
        sentence.push('\n');
        out.push_str(&sentence);
        past.push(sentence);
    }
    out.truncate(usize::try_from(size).unwrap_or(0));
    to.write_all(out.as_bytes())
}

/// Returns the item at an index that is within the list.
fn at<T>(list: &[T], index: u64) -> &T {
    &list[usize::try_from(index).unwrap_or(0)]
}

fn noise(random: &mut Random, size: u64, to: &mut impl io::Write) -> io::Result<()> {
    for _ in 0..size / 8 {
        to.write_all(&random.next().to_le_bytes())?;
    }
    io::copy(&mut io::repeat(0).take(size % 8), to).map(|_| ())
}

/// A small generator of numbers that look random.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound.max(1)
    }

    fn word(&mut self) -> String {
        (0..2 + self.below(4))
            .flat_map(|_| {
                let (consonant, vowel) = (self.below(16), self.below(5));
                [char::from(*at(b"bcdfghklmnprstvz", consonant)), char::from(*at(b"aeiou", vowel))]
            })
            .collect()
    }
}
