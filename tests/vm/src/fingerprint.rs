//! Hashes that name what a cached thing was made from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// A SHA-256 over a list of parts; each part's length goes in, so that parts cannot run together.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(crate) fn new(kind: &str) -> Self {
        Self(Sha256::new()).part(kind)
    }

    pub(crate) fn part(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn parts<T: AsRef<[u8]>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        let mut count = 0_u64;
        let mut all = self;
        for part in parts {
            all = all.part(part);
            count += 1;
        }
        all.part(count.to_le_bytes())
    }

    pub(crate) fn hex(self) -> String {
        hex(&self.0.finalize())
    }
}

/// The SHA-256 of a file's bytes, as `sha256sum` prints it.
pub(crate) fn of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(block.get(..read).unwrap_or_default());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_hashes_as_sha256sum_does() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(file.path()).unwrap(), expected);
    }

    #[test]
    fn parts_do_not_run_together() {
        let one = Fingerprint::new("k").part("ab").part("c").hex();
        let other = Fingerprint::new("k").part("a").part("bc").hex();
        assert_ne!(one, other);
        let moved = Fingerprint::new("k").parts(["a"]).parts(["b", "c"]).hex();
        assert_ne!(Fingerprint::new("k").parts(["a", "b"]).parts(["c"]).hex(), moved);
    }
}
