//! Certificates: reading what a Secret holds, and making new ones. Pure, but for the randomness of keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use x509_cert::der::{Decode, Encode};

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// The authorities, as PEM; the newest first.
pub const CA: &str = "ca.crt";
/// The key of the newest one.
pub const CA_KEY: &str = "ca.key";
/// The certificate that is shown.
pub const LEAF: &str = "tls.crt";
/// Its key.
pub const LEAF_KEY: &str = "tls.key";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An authority's life.
const AUTHORITY: Duration = DAY.saturating_mul(3650);
/// A certificate's life.
const CERTIFICATE: Duration = DAY.saturating_mul(90);
/// Clocks may differ by so much: what is new is valid since then.
pub const SKEW: Duration = Duration::from_secs(60 * 60);

/// A certificate with its time.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated {
    /// As it is.
    pub der: CertificateDer<'static>,
    /// From when it is valid.
    pub from: Timestamp,
    /// And until when.
    pub until: Timestamp,
    /// Its public key, as in the certificate.
    key: Vec<u8>,
}

impl Dated {
    fn read(der: CertificateDer<'static>) -> Option<Self> {
        let read = x509_cert::Certificate::from_der(&der).ok()?;
        let validity = &read.tbs_certificate.validity;
        let at = |time: x509_cert::time::Time| {
            Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
        };
        let (from, until) = (at(validity.not_before)?, at(validity.not_after)?);
        let key = read.tbs_certificate.subject_public_key_info.to_der().ok()?;
        Some(Self { der, from, until, key })
    }

    /// It is valid at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Two thirds of its life are over, or it is not valid at all.
    pub fn due(&self, now: Timestamp) -> bool {
        let life = self.until.as_second() - self.from.as_second();
        !self.holds(now) || now.as_second() >= self.from.as_second() + life / 3 * 2
    }
}

/// A certificate that can be shown.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The certificate.
    pub certificate: Dated,
    /// With its chain and its key.
    pub shown: Arc<CertifiedKey>,
}

/// What a Secret holds, as far as it can be used. What cannot be read is not there.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Those that are to be trusted; the newest first.
    pub authorities: Vec<Dated>,
    /// The key of the newest, where it is there and fits.
    key: Option<String>,
    /// What is shown.
    pub leaf: Option<Leaf>,
    /// `tls.crt` and `tls.key` as they are, so that they can be written again.
    texts: [Vec<u8>; 2],
}

/// All certificates of a PEM that can be read.
pub fn certificates(pem: &[u8]) -> Vec<Dated> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).filter_map(Dated::read).collect()
}

/// As PEM.
pub fn pem<'a>(all: impl Iterator<Item = &'a Dated>) -> String {
    use base64::Engine;
    let mut text = String::new();
    for one in all {
        text += "-----BEGIN CERTIFICATE-----\n";
        let base64 = base64::engine::general_purpose::STANDARD.encode(&one.der);
        for line in base64.as_bytes().chunks(64) {
            text += &String::from_utf8_lossy(line);
            text += "\n";
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text
}

/// What TLS is done with.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that trusts these authorities would speak to this name with this certificate at this time.
pub fn trusted(certificate: &Dated, authorities: &[Dated], name: &str, now: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.iter().filter(|a| a.holds(now)).map(|a| a.der.clone()));
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()
    else {
        return false;
    };
    let Ok(name) = ServerName::try_from(name.to_owned()) else { return false };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().unwrap_or(0)));
    verifier.verify_server_cert(&certificate.der, &[], &name, &[], now).is_ok()
}

impl Held {
    /// Reads it.
    pub fn read(data: &Data) -> Self {
        let bytes = |key: &str| data.get(key).cloned().unwrap_or_default();
        let authorities = certificates(&bytes(CA));
        let key = String::from_utf8(bytes(CA_KEY)).ok().filter(|pem| {
            let public =
                KeyPair::from_pem(pem).map(|pair| rcgen::PublicKeyData::subject_public_key_info(&pair));
            public.is_ok_and(|public| authorities.first().is_some_and(|newest| newest.key == public))
        });
        let texts = [bytes(LEAF), bytes(LEAF_KEY)];
        Self { authorities, key, leaf: leaf(&texts), texts }
    }

    /// The newest authority, if certificates can be signed with it for a whole life of theirs.
    pub fn authority(&self, now: Timestamp) -> Option<&Dated> {
        let newest = self.authorities.first()?;
        (self.key.is_some() && !newest.due(now)).then_some(newest)
    }

    fn data(&self, authorities: &[Dated], key: &str) -> Data {
        let [leaf, leaf_key] = self.texts.clone();
        BTreeMap::from([
            (CA.to_owned(), pem(authorities.iter()).into_bytes()),
            (CA_KEY.to_owned(), key.as_bytes().to_vec()),
            (LEAF.to_owned(), leaf),
            (LEAF_KEY.to_owned(), leaf_key),
        ])
    }

    /// With a new authority before those that were there, or that clients trust: what they signed is still shown.
    ///
    /// # Errors
    /// The system has no randomness, or a key cannot be used.
    pub fn with_new_authority(&self, published: &[Vec<Dated>], now: Timestamp) -> Result<Data, String> {
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let made = authority(now)?.self_signed(&key).map_err(|e| e.to_string())?;
        let mut all: Vec<Dated> = Dated::read(made.der().clone()).into_iter().collect();
        for old in self.authorities.iter().chain(published.iter().flatten()) {
            if old.holds(now) && !all.contains(old) && all.len() < AUTHORITIES {
                all.push(old.clone());
            }
        }
        Ok(self.data(&all, &key.serialize_pem()))
    }

    /// With the newest authority alone.
    pub fn without_the_old(&self) -> Option<Data> {
        Some(self.data(self.authorities.get(..1)?, self.key.as_deref()?))
    }

    /// With a new certificate for these names.
    ///
    /// # Errors
    /// There is no authority to sign it, or as [`Held::with_new_authority`].
    pub fn with_new_leaf(&self, names: &[String], now: Timestamp) -> Result<Data, String> {
        let signing = self.key.as_deref().ok_or("there is no authority")?;
        let issuer = Issuer::new(authority(now)?, KeyPair::from_pem(signing).map_err(|e| e.to_string())?);
        let key = KeyPair::generate().map_err(|e| e.to_string())?;
        let mut wanted = CertificateParams::new(names.to_vec()).map_err(|e| e.to_string())?;
        wanted.distinguished_name.push(DnType::CommonName, "cofferdam webhook");
        wanted.use_authority_key_identifier_extension = true;
        wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid(&mut wanted, now, CERTIFICATE);
        let made = wanted.signed_by(&key, &issuer).map_err(|e| e.to_string())?;
        let mut with = self.clone();
        with.texts = [made.pem().into_bytes(), key.serialize_pem().into_bytes()];
        Ok(with.data(&self.authorities, signing))
    }
}

/// So many at most, should something go round in circles.
const AUTHORITIES: usize = 4;

fn leaf([certificate, key]: &[Vec<u8>; 2]) -> Option<Leaf> {
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().ok()?;
    let key = PrivateKeyDer::from_pem_slice(key).ok()?;
    let first = Dated::read(chain.first()?.clone())?;
    // It refuses a key of another certificate.
    let shown = CertifiedKey::from_der(chain, key, &provider()).ok()?;
    Some(Leaf { certificate: first, shown: Arc::new(shown) })
}

/// All of them have one name; they differ by their keys.
fn authority(now: Timestamp) -> Result<CertificateParams, String> {
    let mut wanted = CertificateParams::new(Vec::new()).map_err(|e| e.to_string())?;
    wanted.distinguished_name.push(DnType::CommonName, "cofferdam webhook authority");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    valid(&mut wanted, now, AUTHORITY);
    Ok(wanted)
}

/// From now on, and a little before, for so long.
fn valid(wanted: &mut CertificateParams, now: Timestamp, life: Duration) {
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    wanted.not_before = epoch + now.saturating_sub(SKEW);
    wanted.not_after = epoch + now.saturating_add(life);
}
