//! A small mutator: the same seed and bytes give the same change. It knows where numbers of batches
//! lie and what is interesting to write there, and can change what is inside a compressed body.

use super::{Shape, directory, sealed};

/// As much as inputs may grow to.
const MOST_BYTES: usize = 64 << 10;
/// Numbers at the edges of what fields can hold.
const EDGES: [i64; 16] = [
    0,
    1,
    -1,
    2,
    -2,
    61,
    127,
    128,
    i16::MAX as i64,
    i32::MAX as i64,
    i32::MIN as i64,
    1 << 32,
    i64::MAX - 1,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];
/// Where the fields of a magic 2 header lie, and how long they are.
const FIELDS: [(usize, usize); 13] = [
    (0, 8),
    (8, 4),
    (12, 4),
    (16, 1),
    (21, 2),
    (23, 4),
    (27, 8),
    (35, 8),
    (43, 8),
    (51, 2),
    (53, 4),
    (57, 4),
    (61, 5),
];

/// Random numbers (splitmix64) that depend on nothing but the seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

/// Changes `data` a little; `other` is what may be spliced in. Half of the time the checksums are
/// made right afterwards.
pub fn mutate(shape: Shape, data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        match shape {
            Shape::Directory if !random.chance(4) => {
                let places = directory::files(data);
                if places.is_empty() {
                    continue;
                }
                let file = places[random.below(places.len())].clone();
                let is_log = directory::is_log(data, &file);
                let mut bytes = data[file.clone()].to_vec();
                change(is_log, &mut bytes, other, random);
                directory::replace(data, &file, &bytes);
            }
            _ => change(shape == Shape::Log, data, other, random),
        }
        data.truncate(MOST_BYTES);
    }
    if random.chance(2) {
        sealed::seal(shape, data);
    }
}

fn change(is_log: bool, data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if is_log && !random.chance(3) {
        let batches = sealed::batches(data);
        if !batches.is_empty() {
            let place = batches[random.below(batches.len())].clone();
            return in_batch(data, place, other, random);
        }
    }
    anywhere(data, other, random);
}

fn in_batch(data: &mut Vec<u8>, place: std::ops::Range<usize>, other: &[u8], random: &mut Random) {
    match random.below(8) {
        0..4 => {
            let (at, length) = FIELDS[random.below(FIELDS.len())];
            let magic_at = place.start + 16;
            let length = if at == 61 { 1 + random.below(length) } else { length };
            if place.start + at + length <= place.end && (at + length <= 16 || magic_at < place.end)
            {
                edge(&mut data[place.start + at..place.start + at + length], random);
            }
        }
        4..6 => {
            let codec = random.below(5) as u8;
            let inside = |body: &mut Vec<u8>| anywhere(body, other, random);
            if let Some(batch) = sealed::with_body(&data[place.clone()], codec, inside) {
                data.splice(place, batch);
            }
        }
        6 => {
            let batch = data[place.clone()].to_vec();
            data.splice(place.start..place.start, batch);
        }
        _ => {
            data.drain(place);
        }
    }
}

fn anywhere(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(data.len() + 1);
    let length = 1 + random.below(8);
    match random.below(9) {
        0 | 1 => {
            if let Some(byte) = data.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 => {
            if let Some(byte) = data.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        3 => {
            if let Some(field) = data.get_mut(at..at + length) {
                edge(field, random);
            }
        }
        4 => data.truncate(at),
        5 => {
            let end = (at + random.below(64)).min(data.len());
            data.drain(at..end);
        }
        6 => {
            let end = (at + random.below(64)).min(data.len());
            let copy = data[at..end].to_vec();
            data.splice(at..at, copy);
        }
        7 => {
            let from = random.below(other.len() + 1);
            let end = (from + random.below(256)).min(other.len());
            let until = if random.chance(2) { at } else { (at + end - from).min(data.len()) };
            data.splice(at..until, other[from..end].iter().copied());
        }
        _ => {
            let fill = vec![[0, 0xff, 0x80, 1][random.below(4)]; length];
            data.splice(at..at, fill);
        }
    }
}

/// Writes a number at the edge of something, or one beside what stands there.
fn edge(field: &mut [u8], random: &mut Random) {
    let length = field.len();
    let mut number = [0; 8];
    number[8 - length..].copy_from_slice(field);
    let number = match random.below(3) {
        0 => i64::from_be_bytes(number).wrapping_add(random.below(9) as i64 - 4),
        _ => EDGES[random.below(EDGES.len())],
    };
    field.copy_from_slice(&number.to_be_bytes()[8 - length..]);
}
