//! A site in an S3 bucket. A bucket has no folders to sync and nothing to stage: an object is there whole, and durable, once
//! the service has answered. It knows its own bucket and no other site.
//!
//! # In the bucket
//!
//! The same objects under the same paths as in a site's folder, below a prefix, the marker `hanmaru-site.txt` among them.
//!
//! # Names that exist
//!
//! An object is written with `If-None-Match: *`, so that the service itself refuses to overwrite. Where a service answers that
//! it does not know this, the object is looked for first and then written: then two processes that write other bytes under one
//! name in the same moment are found out by scrubbing only. [`BucketSite::is_conditional`] says which of the two it is.

use super::{Existing, Listing, OBJECT_BYTES_MAX, SiteBackend};
use crate::folder::{self, Belonging, Fault, Kind};
use crate::lane::lock;
use base::{Id16, Redacted};
use bytes::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as ObjectPath;
use object_store::{
    Certificate, ClientOptions, Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig,
};
use std::future::Future;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// How long the service may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(4);
/// How long one request may take, bytes included, and how long it is tried again.
const REQUEST_WAIT: Duration = Duration::from_secs(30);
/// How often a request that the service could not serve is tried again.
const RETRIES: usize = 2;
/// Objects of one write that are on their way at once.
const AT_ONCE: usize = 8;

/// A site in a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketConfig {
    /// Its name in messages: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub name: String,
    /// The service: `https://…`, or `http://…` on a loopback address.
    pub endpoint: String,
    /// Its region, as requests are signed for it.
    pub region: String,
    /// The bucket, in the path of every address.
    pub bucket: String,
    /// What stands before every path, without a slash at either end; may be empty.
    pub prefix: String,
    /// The access key's id.
    pub access_key: String,
    /// The access key's secret.
    pub secret_key: Redacted<String>,
    /// Certificates of authorities besides the system's, PEM.
    pub authorities: Option<Vec<u8>>,
}

/// A site in a bucket.
pub struct BucketSite {
    name: String,
    /// How it is named in messages.
    place: String,
    prefix: String,
    store: AmazonS3,
    belonging: Arc<Belonging>,
    conditional: AtomicBool,
    runtime: Mutex<Option<Arc<Runtime>>>,
}

impl BucketSite {
    /// A site in a bucket that [`super::Sites::create_places`] set up. It need not answer yet, or always.
    ///
    /// # Errors
    /// What in the configuration cannot be used.
    pub fn new(config: &BucketConfig) -> Result<Self, String> {
        Self::among(config, Arc::default())
    }

    /// One of several sites that belong to one installation.
    pub(super) fn among(config: &BucketConfig, belonging: Arc<Belonging>) -> Result<Self, String> {
        let plain = may_be_plain(&config.endpoint)?;
        let mut options =
            ClientOptions::new().with_allow_http(plain).with_connect_timeout(CONNECT_WAIT).with_timeout(REQUEST_WAIT);
        if let Some(pem) = &config.authorities {
            for certificate in Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())? {
                options = options.with_root_certificate(certificate);
            }
        }
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: REQUEST_WAIT, ..RetryConfig::default() };
        let store = AmazonS3Builder::new()
            .with_endpoint(&config.endpoint)
            .with_region(&config.region)
            .with_bucket_name(&config.bucket)
            .with_access_key_id(&config.access_key)
            .with_secret_access_key(config.secret_key.expose())
            .with_virtual_hosted_style_request(false)
            .with_client_options(options)
            .with_retry(retry)
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("site-bucket")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let prefix = config.prefix.trim_matches('/').to_owned();
        Ok(Self {
            name: config.name.clone(),
            place: format!("s3://{}/{prefix}", config.bucket),
            prefix,
            store,
            belonging,
            conditional: AtomicBool::new(true),
            runtime: Mutex::new(Some(Arc::new(runtime))),
        })
    }

    /// Whether the service refuses to overwrite by itself, as far as is known.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.conditional.load(Ordering::Relaxed)
    }

    /// Writes the marker into a bucket that holds nothing under the prefix; leaves it alone where it is there.
    pub(super) fn set_up(&self) -> Result<(), Fault> {
        if self.marker()?.is_some() {
            return self.said().map(drop);
        }
        let listing = self.list_all("")?;
        if !listing.folders.is_empty() || !listing.objects.is_empty() {
            return Err(self.not_set_up());
        }
        self.write_marker(None, PutMode::Create)
    }

    /// Whose the marker says it is.
    pub(super) fn said(&self) -> Result<Option<Id16>, Fault> {
        let bytes = self.marker()?.ok_or_else(|| self.not_set_up())?;
        let text = String::from_utf8_lossy(&bytes);
        folder::whose(&text, Kind::Site, &self.name).map_err(|found| Fault::Other { folder: self.as_folder(), found })
    }

    fn marker(&self) -> Result<Option<Bytes>, Fault> {
        match self.read(&Kind::Site.marker(), None) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Fault::Absent(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    fn not_set_up(&self) -> Fault {
        let what = "is gone, or was never set up here; restore it, or set an empty one up as new".to_owned();
        Fault::Bucket { place: self.place.clone(), what }
    }

    fn write_marker(&self, installation: Option<&Id16>, mode: PutMode) -> Result<(), Fault> {
        let text = Bytes::from(folder::marker_text(Kind::Site, &self.name, installation));
        let path = self.object_path(&Kind::Site.marker());
        let options = PutOptions::from(mode);
        self.wait(self.store.put_opts(&path, text.into(), options))?.map(drop).map_err(|error| self.fault(&error))
    }

    fn read(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        let at = self.object_path(path);
        let only_head = range.as_ref().is_some_and(Range::is_empty);
        let options = GetOptions::new().with_range(range.clone().filter(|_| !only_head)).with_head(only_head);
        self.wait(async {
            let found = match self.store.get_opts(&at, options).await {
                Ok(found) => found,
                Err(Error::NotFound { .. }) => return Err(Fault::Absent(path.to_owned())),
                Err(error) => return Err(self.fault(&error)),
            };
            match range {
                _ if only_head => return Ok(Bytes::new()),
                Some(range) if found.range != range => return Err(Fault::Damaged(path.to_owned())),
                None if found.meta.size > OBJECT_BYTES_MAX as u64 => return Err(Fault::Damaged(path.to_owned())),
                _ => (),
            }
            found.bytes().await.map_err(|error| self.fault(&error))
        })?
    }

    fn list_all(&self, folder: &str) -> Result<Listing, Fault> {
        let prefix = match (self.prefix.as_str(), folder) {
            ("", "") => None,
            (_, folder) => Some(self.object_path(folder)),
        };
        let found = self.wait(self.store.list_with_delimiter(prefix.as_ref()))?.map_err(|error| self.fault(&error))?;
        let below = |path: &ObjectPath| {
            let path = path.as_ref();
            path.strip_prefix(&self.prefix).map_or(path, |rest| rest.trim_start_matches('/')).to_owned()
        };
        let marker = Kind::Site.marker();
        Ok(Listing {
            folders: found.common_prefixes.iter().map(below).collect(),
            objects: found
                .objects
                .iter()
                .map(|meta| (below(&meta.location), meta.size))
                .filter(|(path, _)| *path != marker)
                .collect(),
        })
    }

    /// Writes all, some at once.
    fn write(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        let store = self.store.clone();
        let conditional = self.is_conditional();
        self.wait(async {
            let (mut running, mut waiting) = (JoinSet::new(), objects.iter());
            loop {
                while running.len() < AT_ONCE
                    && let Some((path, bytes)) = waiting.next()
                {
                    let (store, at, path) = (store.clone(), self.object_path(path), path.clone());
                    let bytes = bytes.clone();
                    running.spawn(async move { write_one(&store, &at, path, bytes, existing, conditional).await });
                }
                match running.join_next().await {
                    None => return Ok(()),
                    Some(Ok(Ok(()))) => (),
                    Some(Ok(Err(Refusal::Conflict(path)))) => return Err(Fault::Conflict(path)),
                    Some(Ok(Err(Refusal::Error(error)))) => return Err(self.fault(&error)),
                    Some(Err(error)) => return Err(Fault::Io(error.to_string())),
                }
            }
        })?
    }

    fn as_folder(&self) -> PathBuf {
        PathBuf::from(&self.place)
    }

    fn object_path(&self, path: &str) -> ObjectPath {
        match (self.prefix.as_str(), path) {
            ("", path) => ObjectPath::from(path),
            (prefix, "") => ObjectPath::from(prefix),
            (prefix, path) => ObjectPath::from(format!("{prefix}/{path}")),
        }
    }

    fn fault(&self, error: &Error) -> Fault {
        let what = match error {
            Error::Unauthenticated { .. } | Error::PermissionDenied { .. } => {
                "refuses our access key; check the key, its rights and this machine's clock".to_owned()
            }
            Error::NotFound { .. } => "is not there; restore the bucket, or correct its name".to_owned(),
            // The text of an error may carry whole answers of a service; its kind and what is known of its cause is enough.
            error => format!("does not answer as it should ({}); check the service and the network", first_line(error)),
        };
        Fault::Bucket { place: self.place.clone(), what }
    }

    /// Waits for the service. Callers are threads that may block.
    fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, Fault> {
        let runtime = lock(&self.runtime).clone();
        runtime.map(|runtime| runtime.block_on(future)).ok_or_else(|| Fault::Io("the site is closed".to_owned()))
    }
}

impl Drop for BucketSite {
    fn drop(&mut self) {
        // A runtime may not be waited for where the last handle happens to be dropped.
        if let Some(runtime) = lock(&self.runtime).take().and_then(Arc::into_inner) {
            runtime.shutdown_background();
        }
    }
}

impl SiteBackend for BucketSite {
    fn check(&self) -> Result<(), Fault> {
        let found = self.said()?;
        if self.belonging.fits(found) { Ok(()) } else { Err(Fault::Foreign(self.as_folder())) }
    }

    fn belong(&self, installation: Id16) -> Result<(), Fault> {
        if self.belonging.settle(installation) { Ok(()) } else { Err(Fault::Foreign(self.as_folder())) }
    }

    fn mark(&self, installation: Id16) -> Result<(), Fault> {
        match self.said()? {
            Some(id) if id == installation => Ok(()),
            Some(_) => Err(Fault::Foreign(self.as_folder())),
            None => self.write_marker(Some(&installation), PutMode::Overwrite),
        }
    }

    fn put(&self, objects: &[(String, Bytes)], existing: Existing) -> Result<(), Fault> {
        self.check()?;
        match self.write(objects, existing) {
            Err(Fault::Bucket { .. })
                if existing == Existing::Keep && self.is_conditional() && self.lacks_condition() =>
            {
                tracing::warn!(
                    site = self.name,
                    "the service does not refuse to overwrite by itself: objects are looked for before they are written"
                );
                self.conditional.store(false, Ordering::Relaxed);
                self.write(objects, existing)
            }
            done => done,
        }
    }

    fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, Fault> {
        match self.read(path, range) {
            Err(Fault::Absent(path)) => Err(self.check().err().unwrap_or(Fault::Absent(path))),
            other => other,
        }
    }

    fn list(&self, folder: &str) -> Result<Listing, Fault> {
        self.check()?;
        self.list_all(folder)
    }
}

impl BucketSite {
    /// Whether the service says that it does not know the condition: the marker is there, so it must be refused because of it.
    fn lacks_condition(&self) -> bool {
        let path = self.object_path(&Kind::Site.marker());
        let text = Bytes::from(folder::marker_text(Kind::Site, &self.name, None));
        let tried = self.wait(self.store.put_opts(&path, text.into(), PutOptions::from(PutMode::Create)));
        matches!(tried, Ok(Err(error)) if is_unknown_condition(&error))
    }
}

/// Why one object was not written.
enum Refusal {
    Conflict(String),
    Error(Error),
}

async fn write_one(
    store: &AmazonS3,
    at: &ObjectPath,
    path: String,
    bytes: Bytes,
    existing: Existing,
    conditional: bool,
) -> Result<(), Refusal> {
    let mode = match existing {
        Existing::Keep if conditional => PutMode::Create,
        Existing::Keep => {
            if let Some(there) = there(store, at).await? {
                return if there == bytes { Ok(()) } else { Err(Refusal::Conflict(path)) };
            }
            PutMode::Overwrite
        }
        Existing::Replace => PutMode::Overwrite,
    };
    match store.put_opts(at, bytes.clone().into(), PutOptions::from(mode)).await {
        Ok(_) => Ok(()),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => match there(store, at).await? {
            Some(there) if there == bytes => Ok(()),
            _ => Err(Refusal::Conflict(path)),
        },
        Err(error) => Err(Refusal::Error(error)),
    }
}

async fn there(store: &AmazonS3, at: &ObjectPath) -> Result<Option<Bytes>, Refusal> {
    match store.get(at).await {
        Ok(found) => found.bytes().await.map(Some).map_err(Refusal::Error),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(Refusal::Error(error)),
    }
}

fn is_unknown_condition(error: &Error) -> bool {
    matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. })
        || first_line(error).contains("NotImplemented")
        || first_line(error).contains("501")
}

/// The innermost cause says most, and its first line is short.
fn first_line(error: &Error) -> String {
    const CHARS_MAX: usize = 160;
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    text.lines().next().unwrap_or_default().chars().take(CHARS_MAX).collect()
}

/// Whether plain HTTP is in order for an address: on loopback alone.
fn may_be_plain(endpoint: &str) -> Result<bool, String> {
    if endpoint.starts_with("https://") {
        return Ok(false);
    }
    let rest = endpoint.strip_prefix("http://").ok_or("the endpoint must begin with https://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if loopback {
        Ok(true)
    } else {
        Err("the endpoint must begin with https://; http:// is for loopback alone".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_alone() {
        for (endpoint, plain) in [
            ("https://s3.example.kr", Ok(false)),
            ("http://127.0.0.1:9000", Ok(true)),
            ("http://[::1]:9000", Ok(true)),
            ("http://localhost:9000/x", Ok(true)),
        ] {
            assert_eq!(may_be_plain(endpoint), plain, "{endpoint}");
        }
        for endpoint in ["http://s3.example.kr", "http://127.0.0.1.example.kr:80", "ftp://x", "", "http://10.0.0.1"] {
            assert!(may_be_plain(endpoint).is_err(), "{endpoint}");
        }
    }
}
