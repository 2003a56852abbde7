//! File contents that compress as those of real closures do, the same on every machine.

/// Between words. The first are the most frequent.
const SEPARATORS: &[u8] = b" .,_(=;:/-";

/// Random numbers with a period that no image reaches (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts a sequence. Each `seed` has one of its own.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let index = self.next() % (bound as u64);
        usize::try_from(index).unwrap_or_default()
    }

    /// Returns a number below `bound`, small ones far more often: about as words are used.
    fn favourite(&mut self, bound: usize) -> usize {
        let range = self.below(bound) + 1;
        let range = self.below(range) + 1;
        self.below(range)
    }

    /// Picks one of `signs`, the first ones far more often.
    fn sign(&mut self, signs: &[u8]) -> u8 {
        signs.get(self.favourite(signs.len())).copied().unwrap_or_default()
    }

    /// Picks one of `choices`, the first ones far more often.
    fn pick<'a>(&mut self, choices: &'a [Vec<u8>]) -> &'a [u8] {
        let index = self.favourite(choices.len());
        choices.get(index).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Sources, scripts and documentation.
    Text,
    /// Programs and libraries: instructions, tables, names.
    Binary,
    /// What has been compressed already.
    Noise,
}

/// Makes contents. What files share, words and instructions, is made once.
#[derive(Debug)]
pub(crate) struct Writer {
    words: Vec<Vec<u8>>,
    lines: Vec<Vec<u8>>,
    instructions: Vec<Vec<u8>>,
}

impl Writer {
    /// Makes the words, lines and instructions that all files are put together of.
    pub(crate) fn new() -> Self {
        let mut random = Random::new(1);
        let words: Vec<_> = (0..20_000).map(|_| word(&mut random)).collect();
        let lines = (0..800).map(|_| line(&mut random, &words)).collect();
        let instructions = (0..3000).map(|_| instruction(&mut random)).collect();
        Self { words, lines, instructions }
    }

    /// Makes `size` bytes of `content`; `random` decides on them all.
    pub(crate) fn file(&self, content: Content, size: usize, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::with_capacity(size + 4096);
        match content {
            Content::Text => self.text(size, random, &mut out),
            Content::Binary => self.binary(size, random, &mut out),
            Content::Noise => noise(size, random, &mut out),
        }
        out.truncate(size);
        out
    }

    /// New lines, lines that other files have too, and paragraphs that came before.
    fn text(&self, size: usize, random: &mut Random, out: &mut Vec<u8>) {
        while out.len() < size {
            match random.below(16) {
                0..=1 => out.extend_from_slice(random.pick(&self.lines)),
                2 => repeat(out, 64 + random.next() % 500, random),
                _ => out.extend(line(random, &self.words)),
            }
        }
    }

    /// Sections, as linkers lay them out.
    fn binary(&self, size: usize, random: &mut Random, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0");
        while out.len() < size {
            let section = out.len() + 4096 + random.below(64 * 1024);
            let section = section.min(size);
            match random.below(16) {
                0..=8 => self.code(section, random, out),
                9..=10 => symbols(section, random, out),
                11..=12 => relocations(section, random, out),
                13 => self.text(section, random, out),
                14 => noise(section - (section - out.len()) / 2, random, out),
                _ => out.resize(section, 0),
            }
        }
    }

    /// Instructions, some with a displacement or a constant that is never the same, and
    /// functions that are like earlier ones.
    fn code(&self, end: usize, random: &mut Random, out: &mut Vec<u8>) {
        while out.len() < end {
            out.extend_from_slice(random.pick(&self.instructions));
            match random.below(40) {
                0..=11 => out.push(random.favourite(256).to_le_bytes()[0]),
                12..=23 => {
                    let [low, high, ..] = random.next().to_le_bytes();
                    out.extend([low, high, 0, 0]);
                }
                24 => repeat(out, 32 + random.next() % 200, random),
                _ => {}
            }
        }
    }
}

fn word(random: &mut Random) -> Vec<u8> {
    let letters = 2 + random.favourite(14);
    (0..letters).map(|_| random.sign(b"etaoinsrhldcumfpgwybvkxjqz")).collect()
}

fn line(random: &mut Random, words: &[Vec<u8>]) -> Vec<u8> {
    let mut line = vec![b' '; 2 * random.favourite(8)];
    for _ in 0..=random.below(11) {
        line.extend_from_slice(random.pick(words));
        line.push(random.sign(SEPARATORS));
        if random.below(7) == 0 {
            line.extend(random.below(10_000).to_string().into_bytes());
        }
    }
    line.push(b'\n');
    line
}

fn instruction(random: &mut Random) -> Vec<u8> {
    const OPCODES: &[u8] = b"\x48\x89\x8b\xe8\x0f\x83\x85\x8d\xc7\x41\x44\x4c\xff\x24\x74\xc3";
    let operands = 1 + random.favourite(5);
    let opcode = random.sign(OPCODES);
    let operands = (0..operands).map(|_| random.next().to_le_bytes()[0]);
    std::iter::once(opcode).chain(operands).collect()
}

/// Repeats `length` bytes of what came before: mostly within the window of gzip, at times
/// only within that of zstd.
fn repeat(out: &mut Vec<u8>, length: u64, random: &mut Random) {
    let length = usize::try_from(length).unwrap_or_default();
    if out.len() > length {
        let window = if random.below(4) > 0 { 24 << 10 } else { 400 << 10 };
        let reach = (out.len() - length).min(window);
        let start = out.len() - length - random.below(reach.max(1));
        out.extend_from_within(start..start + length);
    }
}

/// Entries of a symbol table: 24 bytes, mostly zeros and numbers that grow.
fn symbols(end: usize, random: &mut Random, out: &mut Vec<u8>) {
    let (mut name, mut address) = (0_u32, 0x0040_1000_u64);
    while out.len() < end {
        name += 8 + u32::from(random.next().to_le_bytes()[0]) / 8;
        address += random.next() % 600;
        out.extend(name.to_le_bytes());
        out.extend([0x12, 0, 0x0c, 0]);
        out.extend(address.to_le_bytes());
        out.extend((random.next() % 600).to_le_bytes());
    }
}

/// Entries of a relocation table: an address, a kind and another address.
fn relocations(end: usize, random: &mut Random, out: &mut Vec<u8>) {
    let mut address = 0x003f_e000_u64;
    while out.len() < end {
        address += 8;
        out.extend(address.to_le_bytes());
        out.extend([8, 0, 0, 0, 0, 0, 0, 0]);
        out.extend((0x0040_0000 + random.next() % 0x0010_0000).to_le_bytes());
    }
}

fn noise(end: usize, random: &mut Random, out: &mut Vec<u8>) {
    while out.len() < end {
        out.extend(random.next().to_le_bytes());
    }
}
