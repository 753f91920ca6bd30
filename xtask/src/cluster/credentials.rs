//! Certificates, tokens and kubeconfigs: made anew for every cluster, worth nothing after it.

use std::fs::File;
use std::io::Read;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::place::{self, DOMAIN, HOST, KUBERNETES_SERVICE};

/// Somebody who may talk to the apiserver, with the group that gives the right to.
struct User {
    name: &'static str,
    group: &'static str,
    kubeconfig: &'static str,
}

static USERS: &[User] = &[
    User { name: "admin", group: "system:masters", kubeconfig: "kubeconfig" },
    User {
        name: "system:kube-controller-manager",
        group: "",
        kubeconfig: "config/controller-manager.kubeconfig",
    },
    User { name: "system:kube-scheduler", group: "", kubeconfig: "config/scheduler.kubeconfig" },
    User { name: "system:kube-proxy", group: "", kubeconfig: "config/proxy.kubeconfig" },
    User { name: "system:node:node1", group: "system:nodes", kubeconfig: "config/kubelet.kubeconfig" },
    // It reads all Services and EndpointSlices; nothing that runs in a Pod has this.
    User { name: "dns", group: "system:masters", kubeconfig: "config/dns.kubeconfig" },
];

/// Writes them all.
pub(super) fn write() -> Result<(), String> {
    certificates().map_err(|e| format!("cannot make certificates: {e}"))??;
    let mut tokens = String::new();
    for (number, user) in USERS.iter().enumerate() {
        let token = token().map_err(|e| format!("cannot make a token: /dev/urandom: {e}"))?;
        tokens += &format!("{token},{},{number},{:?}\n", user.name, user.group);
        place::write(user.kubeconfig, &kubeconfig(user.name, &token))?;
    }
    place::write("pki/tokens.csv", &tokens)
}

/// 256 random bits.
fn token() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}

fn certificates() -> Result<Result<(), String>, rcgen::Error> {
    let cluster = authority("cofferdam test cluster")?;
    // Of its own, because what it signs may name any user to an aggregated apiserver.
    let front_proxy = authority("cofferdam test cluster, front proxy")?;
    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        &format!("kubernetes.default.svc.{DOMAIN}"),
        HOST,
        KUBERNETES_SERVICE,
    ];
    let accounts = KeyPair::generate()?;
    let files = [
        ("ca", cluster.pair()),
        ("front-proxy-ca", front_proxy.pair()),
        ("apiserver", cluster.sign("kube-apiserver", "", &names)?),
        ("etcd", cluster.sign("etcd", "", &[HOST])?),
        ("apiserver-to-etcd", cluster.sign("kube-apiserver-etcd-client", "", &[])?),
        ("apiserver-to-kubelet", cluster.sign("kube-apiserver-kubelet-client", "system:masters", &[])?),
        ("front-proxy", front_proxy.sign("front-proxy-client", "", &[])?),
        ("accounts", (accounts.public_key_pem(), accounts.serialize_pem())),
    ];
    Ok(files.iter().try_for_each(|(name, (certificate, key))| {
        place::write(&format!("pki/{name}.crt"), certificate)?;
        place::write(&format!("pki/{name}.key"), key)
    }))
}

struct Authority {
    certificate: String,
    key: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn pair(&self) -> (String, String) {
        (self.certificate.clone(), self.key.clone())
    }

    /// A certificate and its key, for a server at those addresses and for a client of that name.
    fn sign(
        &self,
        name: &str,
        organisation: &str,
        addresses: &[&str],
    ) -> Result<(String, String), rcgen::Error> {
        let mut params = params(name, addresses)?;
        if !organisation.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, organisation);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }
}

fn authority(name: &str) -> Result<Authority, rcgen::Error> {
    let mut params = params(name, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?.pem();
    Ok(Authority { certificate, key: key.serialize_pem(), issuer: Issuer::new(params, key) })
}

fn params(name: &str, addresses: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(addresses.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn kubeconfig(user: &str, token: &str) -> String {
    let server = place::server();
    let authority = place::path("pki/ca.crt");
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: cofferdam-test\n  cluster: {{server: {server:?}, certificate-authority: {authority:?}}}\n\
         users:\n\
         - name: {user:?}\n  user: {{token: {token:?}}}\n\
         contexts:\n\
         - name: cofferdam-test\n  context: {{cluster: cofferdam-test, user: {user:?}}}\n\
         current-context: cofferdam-test\n"
    )
}
