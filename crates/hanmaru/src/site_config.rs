//! `[[site]]` in the configuration: a folder, or a bucket with the key that opens it. The key stands in a file of its own, or
//! in the environment, so that the configuration may be shown and copied.

use base::Redacted;
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use vault::{BucketConfig, SiteConfig, SitePlace};

/// The region where a service asks for none.
const REGION: &str = "us-east-1";

/// A site.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its name in status and messages.
    pub name: String,
    /// What it is.
    #[serde(default)]
    pub kind: Kind,
    /// Where it is, for a folder.
    pub folder: Option<PathBuf>,
    /// The service of a bucket: `https://…`.
    endpoint: Option<String>,
    /// Its region.
    region: Option<String>,
    /// The bucket.
    bucket: Option<String>,
    /// What stands before every path in it.
    #[serde(default)]
    prefix: String,
    /// A file of two lines, the access key's id and its secret, readable by the service's user alone. Without it they are
    /// taken from the environment: `HANMARU_SITE_NAME_ACCESS_KEY` and `HANMARU_SITE_NAME_SECRET_KEY`.
    credentials: Option<PathBuf>,
    /// Certificates of authorities besides the system's, PEM.
    authorities: Option<PathBuf>,
}

/// What a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A folder.
    #[default]
    Folder,
    /// A bucket of a service that speaks S3.
    S3,
}

impl Site {
    /// Paths are relative to the configuration file.
    pub fn resolve(&mut self, base: &Path) {
        for path in [&mut self.folder, &mut self.credentials, &mut self.authorities].into_iter().flatten() {
            *path = base.join(&*path);
        }
    }

    /// What tells two sites apart that are not folders.
    pub fn bucket_place(&self) -> Option<String> {
        let (endpoint, bucket) = (self.endpoint.as_ref()?, self.bucket.as_ref()?);
        (self.kind == Kind::S3).then(|| format!("{endpoint}/{bucket}/{}", self.prefix.trim_matches('/')))
    }

    /// Where the site is.
    ///
    /// # Errors
    /// What is missing or cannot be read, as a sentence that names the site.
    pub fn place(&self, variable: impl Fn(&str) -> Option<String>) -> Result<SitePlace, String> {
        let wrong = |what: &str| format!("[[site]] {}: {what}", self.name);
        if self.kind == Kind::Folder {
            let bucket = [&self.endpoint, &self.region, &self.bucket].into_iter().any(Option::is_some)
                || self.credentials.is_some()
                || self.authorities.is_some()
                || !self.prefix.is_empty();
            if bucket {
                return Err(wrong("only a site of kind = \"s3\" has endpoint, bucket and the like"));
            }
            let folder = self.folder.clone().ok_or_else(|| wrong("give folder, or kind = \"s3\""))?;
            return Ok(SitePlace::Folder(SiteConfig { name: self.name.clone(), folder }));
        }
        if self.folder.is_some() {
            return Err(wrong("a bucket has no folder"));
        }
        let (access_key, secret_key) = self.key(variable)?;
        let authorities = match &self.authorities {
            Some(path) => Some(std::fs::read(path).map_err(|error| wrong(&format!("{}: {error}", path.display())))?),
            None => None,
        };
        let config = BucketConfig {
            name: self.name.clone(),
            endpoint: self.endpoint.clone().ok_or_else(|| wrong("give endpoint"))?,
            region: self.region.clone().unwrap_or_else(|| REGION.to_owned()),
            bucket: self.bucket.clone().ok_or_else(|| wrong("give bucket"))?,
            prefix: self.prefix.clone(),
            access_key,
            secret_key,
            authorities,
        };
        vault::BucketSite::new(&config).map_err(|reason| wrong(&reason))?;
        Ok(SitePlace::Bucket(config))
    }

    fn key(&self, variable: impl Fn(&str) -> Option<String>) -> Result<(String, Redacted<String>), String> {
        let wrong = |what: String| format!("[[site]] {}: {what}", self.name);
        let Some(path) = &self.credentials else {
            let name = self.name.to_ascii_uppercase().replace(['.', '-'], "_");
            let (id, secret) = (format!("HANMARU_SITE_{name}_ACCESS_KEY"), format!("HANMARU_SITE_{name}_SECRET_KEY"));
            return match (variable(&id), variable(&secret)) {
                (Some(id), Some(secret)) => Ok((id, Redacted::new(secret))),
                _ => Err(wrong(format!("give credentials, a file, or set {id} and {secret}"))),
            };
        };
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("credentials {shown}: {error}")))?;
        let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
        if mode & 0o077 != 0 {
            return Err(wrong(format!("credentials {shown} can be read by others: run chmod 600 on it")));
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        match (lines.next(), lines.next(), lines.next()) {
            (Some(id), Some(secret), None) => Ok((id.to_owned(), Redacted::new(secret.to_owned()))),
            _ => Err(wrong(format!("credentials {shown} must hold two lines, the key's id and its secret"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        toml::from_str(text).expect("a site")
    }

    #[test]
    fn folders_and_buckets_are_told_apart() {
        let folder = site("name = \"a\"\nfolder = \"/x\"");
        assert!(matches!(folder.place(|_| None), Ok(SitePlace::Folder(_))));
        let bucket = "name = \"c-1\"\nkind = \"s3\"\nendpoint = \"https://s3.example.kr\"\nbucket = \"records\"\n";
        let error = site(bucket).place(|_| None).expect_err("no key");
        assert!(error.contains("HANMARU_SITE_C_1_ACCESS_KEY"), "{error}");
        let known = |name: &str| Some(format!("of {name}"));
        match site(bucket).place(known) {
            Ok(SitePlace::Bucket(config)) => {
                assert_eq!(config.access_key, "of HANMARU_SITE_C_1_ACCESS_KEY");
                assert_eq!(config.secret_key.expose(), "of HANMARU_SITE_C_1_SECRET_KEY");
            }
            other => panic!("a bucket: {other:?}"),
        }
        for wrong in [
            "name = \"a\"",
            "name = \"a\"\nfolder = \"/x\"\nbucket = \"y\"",
            "name = \"a\"\nkind = \"s3\"\nbucket = \"y\"",
            "name = \"a\"\nkind = \"s3\"\nendpoint = \"http://s3.example.kr\"\nbucket = \"y\"",
            "name = \"a\"\nkind = \"s3\"\nfolder = \"/x\"\nendpoint = \"https://s3.example.kr\"\nbucket = \"y\"",
        ] {
            assert!(site(wrong).place(known).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "ID\nSECRET\n").expect("written");
        let bucket = "name = \"c\"\nkind = \"s3\"\nendpoint = \"https://s3.example.kr\"\nbucket = \"records\"\n\
                      credentials = \"key\"";
        let mut site = site(bucket);
        site.resolve(folder.path());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("set");
        assert!(site.place(|_| None).expect_err("anybody reads it").contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
        assert!(matches!(site.place(|_| None), Ok(SitePlace::Bucket(config)) if config.access_key == "ID"));
        std::fs::write(&path, "ID\n").expect("written");
        assert!(site.place(|_| None).is_err());
    }
}
