//! Time-stamps (RFC 3161): requests over a checkpoint, and tokens that an authority signed. What is stamped is the text of a
//! checkpoint, so a token says that its root, and with it every entry below, existed at that time.
//!
//! An authority is known by pinned certificates: its own, or one that leads to it. Nothing else on this machine is trusted, and
//! revocation is not asked about: an authority that may no longer be trusted is taken out of the configuration.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use cms::cert::CertificateChoices;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, SubjectKeyIdentifier};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use crate::Error;
use crate::der::{BOOLEAN, Der, INTEGER, NULL, OCTETS, OID, SEQUENCE, TIME, encode, encode_unsigned};

/// Content type of a request.
pub const QUERY_CONTENT_TYPE: &str = "application/timestamp-query";
/// Largest response or token that is read, in bytes.
pub const RESPONSE_LEN_MAX: usize = 48 << 10;
/// Largest file of pinned certificates that is read, in bytes.
pub const AUTHORITY_LEN_MAX: usize = 256 << 10;
/// Most certificates between a signer and a pinned one.
const CHAIN_MAX: usize = 5;
/// Most certificates that are looked at in a token.
const CERTIFICATES_MAX: usize = 16;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// Who may stamp: pinned certificates.
#[derive(Debug, Clone)]
pub struct StampAuthority {
    pinned: Vec<Certificate>,
}

/// A request for a stamp over a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampRequest {
    imprint: [u8; 32],
    nonce: [u8; 8],
}

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStamp {
    /// Seconds since 1970; fractions are left out, so the text existed at the latest a second later.
    pub time_s: i64,
    /// Who signed it, as its certificate names it.
    pub signer: String,
}

impl StampAuthority {
    /// Reads pinned certificates, PEM.
    ///
    /// # Errors
    /// [`Error::TimeStamp`] where there is none, or one cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        if pem.len() > AUTHORITY_LEN_MAX {
            return Err(refuse("the file of pinned certificates is larger than 256 KiB"));
        }
        // The library counts on there being more than line feeds.
        let pem = pem.trim_ascii_end();
        let pinned = if pem.is_empty() { Ok(Vec::new()) } else { Certificate::load_pem_chain(pem) };
        let pinned = pinned.map_err(|_| refuse("the pinned certificates are not PEM"))?;
        if pinned.is_empty() { Err(refuse("no certificate is pinned")) } else { Ok(Self { pinned }) }
    }

    /// Verifies a token over `text`.
    ///
    /// # Errors
    /// [`Error::TimeStamp`], naming what does not match.
    pub fn verify(&self, token: &[u8], text: &[u8]) -> Result<TimeStamp, Error> {
        let token = Token::read(token)?;
        let info = TstInfo::read(&token.content).ok_or(refuse("what is stamped cannot be read"))?;
        if info.imprint != base::sha256(text) {
            return Err(refuse("it is over something else"));
        }
        self.verify_signer(&token, info.time_s)
    }

    fn verify_signer(&self, token: &Token, time_s: i64) -> Result<TimeStamp, Error> {
        let attributes = SignedAttributes::read(&token.signer)?;
        if attributes.content_type != Some(TST_INFO) {
            return Err(refuse("its signer signed something of another kind"));
        }
        let digest = hash(&token.signer.digest_alg.oid).ok_or(refuse("its digest is of an unknown kind"))?;
        if digest::digest(digest, &token.content).as_ref() != attributes.digest {
            return Err(refuse("its signer signed other content"));
        }
        let known = token.certificates.iter().chain(&self.pinned);
        let signer = known
            .filter(|one| is_named(&token.signer.sid, one))
            .find(|one| one.to_der().is_ok_and(|der| attributes.names_certificate(&der)))
            .ok_or(refuse("the certificate of its signer is neither in it nor pinned"))?;
        let key = &signer.tbs_certificate.subject_public_key_info;
        let algorithm = (&token.signer.signature_algorithm.oid, &token.signer.digest_alg.oid);
        if !is_signed(key, algorithm, &attributes.signed, token.signer.signature.as_bytes()) {
            return Err(refuse("its signature does not match"));
        }
        if !stamps_time(signer) {
            return Err(refuse("the certificate of its signer is not one for time-stamps"));
        }
        if !self.leads_to_pinned(signer, &token.certificates, time_s, CHAIN_MAX) {
            return Err(refuse("the certificate of its signer does not lead to a pinned one that was valid then"));
        }
        Ok(TimeStamp { time_s, signer: signer.tbs_certificate.subject.to_string() })
    }

    fn leads_to_pinned(&self, one: &Certificate, others: &[Certificate], time_s: i64, depth: usize) -> bool {
        if depth == 0 || !is_valid(one, time_s) {
            return false;
        }
        if self.pinned.contains(one) {
            return true;
        }
        let issued = |issuer: &&Certificate| {
            issuer.tbs_certificate.subject == one.tbs_certificate.issuer
                && is_authority(issuer)
                && has_issued(issuer, one)
        };
        let issuers = self.pinned.iter().chain(others).filter(issued);
        issuers.into_iter().any(|issuer| self.leads_to_pinned(issuer, others, time_s, depth - 1))
    }
}

impl StampRequest {
    /// A request over `text`. The nonce must be random: it ties the response to this request.
    #[must_use]
    pub fn new(text: &[u8], nonce: [u8; 8]) -> Self {
        Self { imprint: base::sha256(text), nonce }
    }

    /// The request as DER, asking for the certificate of the signer too.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let algorithm = encode(SEQUENCE, &[&encode(OID, &[SHA256.as_bytes()]), &encode(NULL, &[])]);
        let imprint = encode(SEQUENCE, &[&algorithm, &encode(OCTETS, &[&self.imprint])]);
        let parts = [encode(INTEGER, &[&[1]]), imprint, encode_unsigned(&self.nonce), encode(BOOLEAN, &[&[0xff]])];
        encode(SEQUENCE, &parts.each_ref().map(Vec::as_slice))
    }

    /// Reads the response to this request and verifies the token in it, which it gives with what it says.
    ///
    /// # Errors
    /// [`Error::TimeStamp`], naming what does not match; that the authority refused is one of these.
    pub fn verify_response(&self, response: &[u8], authority: &StampAuthority) -> Result<(Vec<u8>, TimeStamp), Error> {
        let bytes = read_response(response)?;
        let token = Token::read(bytes)?;
        let info = TstInfo::read(&token.content).ok_or(refuse("what is stamped cannot be read"))?;
        if info.imprint != self.imprint {
            return Err(refuse("it is over something else"));
        }
        if info.nonce.as_deref() != Some(&encode_unsigned(&self.nonce)[2..]) {
            return Err(refuse("it answers another request"));
        }
        Ok((bytes.to_vec(), authority.verify_signer(&token, info.time_s)?))
    }
}

/// The token of a response.
fn read_response(response: &[u8]) -> Result<&[u8], Error> {
    if response.len() > RESPONSE_LEN_MAX {
        return Err(refuse("the response is larger than 48 KiB"));
    }
    let malformed = refuse("the response cannot be read");
    let mut outer = Der::new(response);
    let mut inner = outer.take(SEQUENCE).filter(|_| outer.is_empty()).map(Der::new).ok_or(malformed)?;
    let status = inner.take(SEQUENCE).and_then(|status| Der::new(status).take(INTEGER));
    match status {
        Some([0 | 1]) => {}
        Some(_) => return Err(refuse("the authority refused to stamp")),
        None => return Err(refuse("the response has no status")),
    }
    let token = inner.next().filter(|token| token.tag == SEQUENCE && inner.is_empty());
    token.map(|token| token.whole).ok_or(refuse("the response has no token"))
}

/// A token taken apart, nothing of it verified.
struct Token {
    /// The DER of what is signed, a `TSTInfo`.
    content: Vec<u8>,
    signer: SignerInfo,
    certificates: Vec<Certificate>,
}

impl Token {
    fn read(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > RESPONSE_LEN_MAX {
            return Err(refuse("it is larger than 48 KiB"));
        }
        let malformed = || refuse("it is not a signed token");
        let outer = ContentInfo::from_der(bytes).map_err(|_| malformed())?;
        if outer.content_type != SIGNED_DATA {
            return Err(malformed());
        }
        let signed: SignedData = outer.content.decode_as().map_err(|_| malformed())?;
        if signed.encap_content_info.econtent_type != TST_INFO {
            return Err(refuse("what is signed is no time-stamp"));
        }
        let content = signed.encap_content_info.econtent.ok_or_else(malformed)?;
        let content = content.to_der().map_err(|_| malformed())?;
        let content = Der::new(&content).take(OCTETS).ok_or_else(malformed)?.to_vec();
        let mut signers = signed.signer_infos.0.into_vec().into_iter();
        let (Some(signer), None) = (signers.next(), signers.next()) else {
            return Err(refuse("it has not exactly one signer"));
        };
        let certificates = signed.certificates.map(|set| set.0.into_vec()).unwrap_or_default();
        let plain = |choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            CertificateChoices::Other(_) => None,
        };
        let certificates = certificates.into_iter().take(CERTIFICATES_MAX).filter_map(plain).collect();
        Ok(Self { content, signer, certificates })
    }
}

/// What of a `TSTInfo` is needed.
struct TstInfo {
    imprint: Vec<u8>,
    time_s: i64,
    /// The value bytes of the nonce.
    nonce: Option<Vec<u8>>,
}

impl TstInfo {
    fn read(content: &[u8]) -> Option<Self> {
        let mut outer = Der::new(content);
        let mut fields = Der::new(outer.take(SEQUENCE).filter(|_| outer.is_empty())?);
        fields.take(INTEGER).filter(|version| *version == [1])?;
        fields.take(OID)?;
        let mut imprint = Der::new(fields.take(SEQUENCE)?);
        let algorithm = Der::new(imprint.take(SEQUENCE)?).take(OID)?;
        let imprint = imprint.take(OCTETS).filter(|_| algorithm == SHA256.as_bytes())?.to_vec();
        fields.take(INTEGER)?;
        let time_s = parse_time(fields.take(TIME)?)?;
        fields.take_if(SEQUENCE);
        fields.take_if(BOOLEAN);
        let nonce = fields.take_if(INTEGER).map(<[u8]>::to_vec);
        Some(Self { imprint, time_s, nonce })
    }
}

/// Seconds since 1970 of a `GeneralizedTime` in UTC, with or without a fraction.
fn parse_time(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || fraction.is_some_and(|fraction| !digits(fraction)) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| whole[range].parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(8..10)?, part(10..12)?, part(12..14)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970 in the proleptic Gregorian calendar, with years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// What the signer signed beside the content.
struct SignedAttributes {
    content_type: Option<ObjectIdentifier>,
    digest: Vec<u8>,
    /// Value bytes of the signing certificate's hash, and the digest that made it.
    certificate: Vec<(&'static digest::Algorithm, Vec<u8>)>,
    /// The bytes that are signed.
    signed: Vec<u8>,
}

impl SignedAttributes {
    fn read(signer: &SignerInfo) -> Result<Self, Error> {
        let attributes = signer.signed_attrs.as_ref().ok_or(refuse("its signer signed no attributes"))?;
        let signed = attributes.to_der().map_err(|_| refuse("its attributes cannot be read"))?;
        let mut read = Self { content_type: None, digest: Vec::new(), certificate: Vec::new(), signed };
        for attribute in attributes.iter() {
            let Some(value) = attribute.values.get(0).filter(|_| attribute.values.len() == 1) else { continue };
            let value = value.to_der().map_err(|_| refuse("its attributes cannot be read"))?;
            let mut der = Der::new(&value);
            match attribute.oid {
                CONTENT_TYPE => {
                    read.content_type = der.take(OID).and_then(|oid| ObjectIdentifier::from_bytes(oid).ok());
                }
                MESSAGE_DIGEST => read.digest = der.take(OCTETS).unwrap_or_default().to_vec(),
                SIGNING_CERTIFICATE => {
                    read.certificate.extend(certificate_hash(&mut der, &digest::SHA1_FOR_LEGACY_USE_ONLY));
                }
                SIGNING_CERTIFICATE_V2 => read.certificate.extend(certificate_hash(&mut der, &digest::SHA256)),
                _ => {}
            }
        }
        Ok(read)
    }

    /// Whether these attributes name this certificate, and no other, as the signer's (RFC 5816).
    fn names_certificate(&self, der: &[u8]) -> bool {
        !self.certificate.is_empty()
            && self.certificate.iter().all(|(with, hash)| digest::digest(with, der).as_ref() == &hash[..])
    }
}

/// The hash of the first certificate in a signing-certificate attribute.
fn certificate_hash(
    der: &mut Der<'_>,
    default: &'static digest::Algorithm,
) -> Option<(&'static digest::Algorithm, Vec<u8>)> {
    let mut first = Der::new(Der::new(Der::new(der.take(SEQUENCE)?).take(SEQUENCE)?).take(SEQUENCE)?);
    let with = match first.take_if(SEQUENCE) {
        Some(algorithm) => hash(&ObjectIdentifier::from_bytes(Der::new(algorithm).take(OID)?).ok()?)?,
        None => default,
    };
    Some((with, first.take(OCTETS)?.to_vec()))
}

fn is_named(sid: &SignerIdentifier, certificate: &Certificate) -> bool {
    let tbs = &certificate.tbs_certificate;
    match sid {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == tbs.issuer && named.serial_number == tbs.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => {
            matches!(tbs.get::<SubjectKeyIdentifier>(), Ok(Some((_, found))) if found == *named)
        }
    }
}

/// Whether a certificate is for time-stamps, and says so in a way that readers may not pass over (RFC 3161, 2.3).
fn stamps_time(certificate: &Certificate) -> bool {
    let usage = certificate.tbs_certificate.get::<ExtendedKeyUsage>();
    matches!(usage, Ok(Some((true, usage))) if usage.0 == [TIME_STAMPING])
}

fn is_authority(certificate: &Certificate) -> bool {
    let constraints = certificate.tbs_certificate.get::<BasicConstraints>();
    matches!(constraints, Ok(Some((_, constraints))) if constraints.ca)
}

fn is_valid(certificate: &Certificate, time_s: i64) -> bool {
    let validity = &certificate.tbs_certificate.validity;
    let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    (seconds(validity.not_before)..=seconds(validity.not_after)).contains(&time_s)
}

fn has_issued(issuer: &Certificate, issued: &Certificate) -> bool {
    let (Ok(signed), Some(signature)) = (issued.tbs_certificate.to_der(), issued.signature.as_bytes()) else {
        return false;
    };
    let key = &issuer.tbs_certificate.subject_public_key_info;
    let algorithm = &issued.signature_algorithm.oid;
    issued.signature_algorithm == issued.tbs_certificate.signature
        && is_signed(key, (algorithm, algorithm), &signed, signature)
}

/// Whether a signature is by this key over these bytes. A bare RSA algorithm takes its digest from `algorithm.1`.
fn is_signed(
    key: &SubjectPublicKeyInfoOwned,
    algorithm: (&ObjectIdentifier, &ObjectIdentifier),
    signed: &[u8],
    signature: &[u8],
) -> bool {
    let curve = || key.algorithm.parameters.as_ref().and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let digest = match *algorithm.0 {
        RSA => *algorithm.1,
        RSA_SHA256 | ECDSA_SHA256 => SHA256,
        RSA_SHA384 | ECDSA_SHA384 => SHA384,
        RSA_SHA512 | ECDSA_SHA512 => SHA512,
        _ => return false,
    };
    let is_ecdsa = matches!(*algorithm.0, ECDSA_SHA256 | ECDSA_SHA384 | ECDSA_SHA512);
    let with: &dyn VerificationAlgorithm = match (key.algorithm.oid, is_ecdsa, digest) {
        (RSA, false, SHA256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (RSA, false, SHA384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (RSA, false, SHA512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (EC, true, digest) => match (curve(), digest) {
            (Some(P256), SHA256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Some(P256), SHA384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Some(P384), SHA256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Some(P384), SHA384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Some(P384), SHA512) => &signature::ECDSA_P384_SHA512_ASN1,
            _ => return false,
        },
        _ => return false,
    };
    let Some(key) = key.subject_public_key.as_bytes() else { return false };
    UnparsedPublicKey::new(with, key).verify(signed, signature).is_ok()
}

const fn hash(oid: &ObjectIdentifier) -> Option<&'static digest::Algorithm> {
    match *oid {
        SHA256 => Some(&digest::SHA256),
        SHA384 => Some(&digest::SHA384),
        SHA512 => Some(&digest::SHA512),
        _ => None,
    }
}

const fn refuse(reason: &'static str) -> Error {
    Error::TimeStamp { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_with_and_without_fractions() {
        for (text, seconds) in [
            ("19700101000000Z", Some(0)),
            ("20260228235959Z", Some(1_772_323_199)),
            ("20240229000000.5Z", Some(1_709_164_800)),
            ("20000301000000.000Z", Some(951_868_800)),
            ("20261301000000Z", None),
            ("20260101000000", None),
            ("20260101000000+0900", None),
            ("20260101000000.Z", None),
            ("2026010100000Z", None),
            ("20260101250000Z", None),
        ] {
            assert_eq!(parse_time(text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn a_request_has_the_form_of_the_specification() {
        let request = StampRequest::new(b"text", [0x80, 0, 0, 0, 0, 0, 0, 1]).to_der();
        let hash = base::hex(&base::sha256(b"text"));
        let expected = format!("3044020101303130 0d060960864801650304020105000420{hash}0209008000000000000001 0101ff");
        assert_eq!(base::hex(&request), expected.replace(' ', ""));
    }

    #[test]
    fn what_is_wrong_with_a_response_is_said() {
        for (bytes, said) in [
            (&b""[..], "cannot be read"),
            (&[0x30, 0], "no status"),
            (&[0x30, 5, 0x30, 3, 2, 1, 2], "refused to stamp"),
            (&[0x30, 5, 0x30, 3, 2, 1, 0], "no token"),
            (&[0x30, 7, 0x30, 3, 2, 1, 0, 0x30, 0, 0], "cannot be read"),
        ] {
            let error = read_response(bytes).expect_err(said).to_string();
            assert!(error.contains(said), "{bytes:?}: {error}");
        }
        assert!(read_response(&vec![0; RESPONSE_LEN_MAX + 1]).is_err());
        assert!(
            StampAuthority::from_pem(b"").is_err()
                && StampAuthority::from_pem(b"x").is_err()
                && StampAuthority::from_pem(b"\n\n").is_err()
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read_response(&bytes);
            let _ = TstInfo::read(&bytes);
            prop_assert!(Token::read(&bytes).is_err());
        }
    }
}
