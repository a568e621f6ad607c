//! Several files in one input, for parsers that read folders. Each file: one byte for its name, two for its length, big-endian,
//! then its bytes; the last may be shorter than it says.

use std::path::Path;

/// Most files in one input.
const FILES_MAX: usize = 12;

/// Cuts an input into pairs of a number and bytes.
pub fn cut(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut files = Vec::new();
    while let [which, high, low, rest @ ..] = bytes
        && files.len() < FILES_MAX
    {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        files.push((*which, &rest[..length]));
        bytes = &rest[length..];
    }
    files
}

/// The input that [`cut`] cuts into these.
pub fn joined(files: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (which, file) in files {
        bytes.push(*which);
        bytes.extend((u16::try_from(file.len()).expect("a seed's file is short")).to_be_bytes());
        bytes.extend_from_slice(file);
    }
    bytes
}

/// Where Linux keeps files in memory: nothing here need outlive the input, and a disk would be most of the time.
const IN_MEMORY: &str = "/dev/shm";

/// A new folder that ends with the input.
pub fn fresh() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("hanmaru-fuzz-");
    builder.tempdir_in(IN_MEMORY).or_else(|_| builder.tempdir()).expect("a temporary folder can be made")
}

/// Writes a file below a folder; the names are the target's own.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("it is below a folder")).expect("a temporary folder can be made");
    std::fs::write(path, bytes).expect("a temporary file can be written");
}
