//! Where notifications may lead. A name is looked up once, every address that it has is judged, and only those
//! addresses are connected to: a name that means another address a moment later leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cofferdam_core::{Code, Refusal};

/// A network, as `10.0.0.0/8`; one address is a network of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads it.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse::<u8>().ok()?)),
            None => (text.trim().parse::<IpAddr>().ok()?, None),
        };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let wide = |address: IpAddr| match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
            IpAddr::V6(v6) => u128::from(v6),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
        self.address.is_ipv4() == address.is_ipv4() && wide(self.address) & mask == wide(address) & mask
    }
}

/// Where notifications may lead.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// The addresses come from somebody who may write objects of one namespace, not from whoever runs the program.
    tenant: bool,
    /// The API of the cluster.
    api: Vec<IpAddr>,
    /// What the administrator allows though the rules forbid it, and without TLS.
    allow: Vec<Network>,
}

impl Egress {
    /// For whoever runs the program: everything but link-local addresses, and without TLS only loopback.
    pub fn own() -> Self {
        Self::default()
    }

    /// For those who write objects of a namespace: neither loopback nor the cluster's API, either.
    pub fn tenant(api: Vec<IpAddr>, allow: Vec<Network>) -> Self {
        Self { tenant: true, api, allow }
    }

    /// Why an address may not be connected to.
    fn forbids(&self, address: IpAddr, tls: bool) -> Option<&'static str> {
        let address = address.to_canonical();
        if self.allow.iter().any(|network| network.holds(address)) {
            return None;
        }
        let inner = embedded(address).map(IpAddr::V4);
        let each = |is: fn(&IpAddr) -> bool| is(&address) || inner.as_ref().is_some_and(is);
        if each(|a| link_local(*a)) {
            return Some("it is link-local, where clouds answer with credentials");
        }
        if each(|a| METADATA.contains(a)) {
            return Some("a cloud answers there with credentials");
        }
        if each(|a| {
            a.is_unspecified() || a.is_multicast() || matches!(a, IpAddr::V4(v4) if v4.is_broadcast())
        }) {
            return Some("it is no address of one receiver");
        }
        if self.tenant && each(IpAddr::is_loopback) {
            return Some("it is the runner's own");
        }
        if self.tenant
            && (self.api.contains(&address) || inner.is_some_and(|inner| self.api.contains(&inner)))
        {
            return Some("it is that of the cluster's API");
        }
        (!tls && !address.is_loopback()).then_some("only https leads there")
    }

    /// The addresses of a host, each of which may be connected to.
    ///
    /// # Errors
    /// `EgressForbidden`, and `NotDelivered` where the name has no address.
    pub(super) async fn addresses(
        &self,
        host: url::Host<&str>,
        port: u16,
        tls: bool,
    ) -> Result<Vec<SocketAddr>, Box<Refusal>> {
        let found: Vec<SocketAddr> = match host {
            url::Host::Ipv4(v4) => vec![(v4, port).into()],
            url::Host::Ipv6(v6) => vec![(v6, port).into()],
            url::Host::Domain(name) => match tokio::net::lookup_host((name, port)).await {
                Ok(found) => found.collect(),
                Err(why) => {
                    let what = format!("the name {name} cannot be looked up");
                    return Err(Box::new(Refusal::new(Code::NotDelivered, what).cause(why.to_string())));
                }
            },
        };
        // One that is forbidden spoils them all: a name that leads inside is not one to be used on a good day.
        for address in &found {
            if let Some(why) = self.forbids(address.ip(), tls) {
                let what = format!("notifications may not go to {host}");
                let cause = format!("its address is {}: {why}", address.ip());
                return Err(Box::new(Refusal::new(Code::EgressForbidden, what).cause(cause)));
            }
        }
        match found.is_empty() {
            true => Err(Box::new(Refusal::new(Code::NotDelivered, format!("{host} has no address")))),
            false => Ok(found),
        }
    }
}

/// Where clouds answer with credentials and that is not link-local: AWS by IPv6, Alibaba, Oracle, Azure.
const METADATA: &[IpAddr] = &[
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.octets()[0] == 0 && !v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The IPv4 address that an IPv6 address is another writing of: NAT64, 6to4, and the old compatible form.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b, [c, d, e, f]) {
        (0x64, 0xff9b, [0, 0, 0, 0]) | (0, 0, [0, 0, 0, 0]) if !v6.is_loopback() => of(g, h),
        (0x2002, ..) => of(b, c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(egress: &Egress, address: &str, tls: bool) -> bool {
        egress.forbids(address.parse().unwrap(), tls).is_some()
    }

    #[test]
    fn what_leads_inside_is_forbidden_in_every_writing() {
        let own = Egress::own();
        let tenant = Egress::tenant(vec!["10.96.0.1".parse().unwrap()], vec![]);
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "0.1.2.3",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            assert!(forbidden(&own, address, true) && forbidden(&tenant, address, true), "{address}");
        }
        for address in
            ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "10.96.0.1", "64:ff9b::10.96.0.1"]
        {
            assert!(!forbidden(&own, address, true) && forbidden(&tenant, address, true), "{address}");
        }
        for address in ["10.1.2.3", "192.168.1.1", "93.184.216.34", "2606:2800:220:1::1"] {
            assert!(!forbidden(&own, address, true) && !forbidden(&tenant, address, true), "{address}");
            assert!(forbidden(&own, address, false) && forbidden(&tenant, address, false), "{address}");
        }
        assert!(!forbidden(&own, "127.0.0.1", false) && !forbidden(&own, "::1", false));
    }

    #[test]
    fn an_administrator_can_allow_a_network() {
        let tenant = Egress::tenant(vec![], vec![Network::parse("127.0.0.0/8").unwrap()]);
        assert!(!forbidden(&tenant, "127.0.0.1", false));
        assert!(forbidden(&tenant, "::1", true) && forbidden(&tenant, "169.254.169.254", true));
        for text in ["10.0.0.0/33", "10.0.0/8", "", "x", "::/129", "/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.holds("1.2.3.4".parse().unwrap()) && !all.holds("::1".parse().unwrap()));
        let one = Network::parse("10.1.2.3").unwrap();
        assert!(one.holds("10.1.2.3".parse().unwrap()) && !one.holds("10.1.2.4".parse().unwrap()));
    }
}
