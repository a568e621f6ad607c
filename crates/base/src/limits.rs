//! Limits on what comes from outside. Each is named here or in configuration, and each is tested where it is enforced.

/// Limits of a deposit and of single things in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest NDJSON line, and so the largest resource, in bytes. The store takes no more than 15 MiB.
    pub resource_bytes: usize,
    /// Deepest nesting of a resource.
    pub resource_depth: usize,
    /// Largest document in bytes.
    pub document_bytes: u64,
    /// Largest tag file of a bag (`bag-info.txt`, `bagit.txt`) in bytes.
    pub tag_file_bytes: usize,
    /// Most files in one bag.
    pub bag_files: usize,
    /// Most faults listed for one resource; the rest is counted.
    pub faults: usize,
    /// Largest body of an HTTP request in bytes, uploads of a PDF to verify aside.
    pub request_bytes: usize,
    /// Largest PDF taken for verification in bytes.
    pub verify_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            resource_bytes: 8 << 20,
            resource_depth: 64,
            document_bytes: 512 << 20,
            tag_file_bytes: 1 << 20,
            bag_files: 1_000_000,
            faults: 100,
            request_bytes: 64 << 10,
            verify_bytes: 256 << 20,
        }
    }
}
