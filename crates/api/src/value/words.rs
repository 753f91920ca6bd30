//! Names and addresses. They mean themselves; their patterns keep out what no name has: spaces, shell characters,
//! socket paths, namespaces.

use super::{Malformed, text};

text! {
    /// The name of an object in the namespace of the object that names it.
    ObjectName, "a name of an object", pattern: "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", longest: 253,
    write: "write small letters, digits, - and . as in metadata.name, without a namespace",
    examples: ["db-credentials"]
}

text! {
    /// A key of a Secret or ConfigMap.
    DataKey, "a key of a Secret or ConfigMap", pattern: "^[-._a-zA-Z0-9]+$", longest: 253,
    write: "write letters, digits, -, _ and .",
    examples: ["url", "001_schema.sql"]
}

text! {
    /// The name of a script among its siblings.
    ScriptName, "a name of a script", pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", longest: 63,
    write: "write small letters, digits and -",
    examples: ["schema-changes"]
}

text! {
    /// Where a script stands.
    ConfigMapSource, "a place of a script",
    pattern: "^configmap://[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[-._a-zA-Z0-9]+$", longest: 518,
    write: "write configmap://NAME/KEY; the ConfigMap is in the same namespace",
    examples: ["configmap://migrations/001_schema.sql"]
}

text! {
    /// The address of a server: a name or an IP address, never a list or a path.
    Host, "a host", pattern: "^[A-Za-z0-9:]([A-Za-z0-9._:-]*[A-Za-z0-9:.])?$", longest: 253,
    write: "write one name or address, without a port, a path or a scheme",
    examples: ["postgres.production.svc.cluster.local", "10.0.0.7", "fd00::7"]
}

text! {
    /// The name of a database on its server.
    DatabaseName, "a name of a database", pattern: "^[^\\x00-\\x1f\\x7f]+$", longest: 63,
    write: "write its name as it is, without quotes",
    examples: ["userdb"]
}

text! {
    /// A container image.
    ImageReference, "an image", pattern: "^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$", longest: 512,
    write: "write registry/name:tag or registry/name@sha256:digest",
    examples: ["myapp:v2.0.0", "registry.example.com:5000/team/myapp:v2.0.0"]
}

text! {
    /// The name of a variable of the environment.
    EnvName, "a name of a variable", pattern: "^[A-Za-z_][A-Za-z0-9_]*$", longest: 128,
    write: "write letters, digits and _",
    examples: ["NODE_ENV"]
}

text! {
    /// A role of AWS.
    RoleArn, "the ARN of a role", pattern: "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", longest: 612,
    write: "write it as the console shows it",
    examples: ["arn:aws:iam::123456789012:role/myapp-db-migrator"]
}

text! {
    /// A region of AWS.
    AwsRegion, "a region", pattern: "^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$", longest: 32,
    write: "write its code",
    examples: ["us-east-1", "us-gov-west-1"]
}

text! {
    /// Where backups go.
    BackupUrl, "a place for backups", pattern: "^(s3|gs|az)://[a-z0-9][a-z0-9._-]*(/[A-Za-z0-9._=/-]*)?$", longest: 1024,
    write: "write s3://, gs:// or az://, the bucket, and a prefix",
    examples: ["s3://backups/", "gs://backups/users"]
}

text! {
    /// A public key of age.
    AgeRecipient, "a recipient of age", pattern: "^age1[02-9ac-hj-np-z]{58}$", longest: 62,
    write: "write the public key that `age-keygen` prints",
    examples: ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
}

/// A key of a ConfigMap, as a [`ConfigMapSource`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigMapKey<'a> {
    /// The ConfigMap, in the same namespace.
    pub name: &'a str,
    /// The key in its `data` or `binaryData`.
    pub key: &'a str,
}

impl ConfigMapSource {
    /// What it means.
    ///
    /// # Errors
    /// The text is not `configmap://NAME/KEY`, for instance because it names a namespace too.
    pub fn parse(&self) -> Result<ConfigMapKey<'_>, Malformed> {
        let read = || {
            let (name, key) = self.0.strip_prefix("configmap://")?.split_once('/')?;
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            let name_fits = name.bytes().all(|b| plain(b) || matches!(b, b'-' | b'.'))
                && name.bytes().next().is_some_and(plain)
                && name.bytes().last().is_some_and(plain);
            let key_fits = !key.is_empty()
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            (name_fits && key_fits).then_some(ConfigMapKey { name, key })
        };
        read().ok_or_else(|| self.malformed())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Form, tests::agrees};
    use super::*;

    #[test]
    fn places_of_scripts_are_read() {
        let cases: &[(&str, Option<(&str, &str)>)] = &[
            ("configmap://migrations/001_schema.sql", Some(("migrations", "001_schema.sql"))),
            ("configmap://a.b-c/K", Some(("a.b-c", "K"))),
            ("configmap://migrations", None),
            ("configmap://migrations/", None),
            ("configmap:///x", None),
            ("configmap://other/migrations/x.sql", None),
            ("configmap://migrations/../x", None),
            ("configmap://-a/x", None),
            ("configmap://A/x", None),
            ("configmap://a/x;rm", None),
            ("configmap://a/$(x)", None),
            ("ConfigMap://a/x", None),
            ("file:///etc/passwd", None),
            ("https://example.com/x.sql", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(name, key)| ConfigMapKey { name, key });
            assert_eq!(ConfigMapSource::from(*text).parse().ok(), expected, "{text}");
            agrees(ConfigMapSource::FORM, text, expected.is_some());
        }
    }

    #[test]
    fn patterns_keep_out_what_no_name_has() {
        let cases: &[(Form, &[&str], &[&str])] = &[
            (
                Host::FORM,
                &["localhost", "a.b.", "my_host", "::1", "db-1.example.com"],
                &["/var/run/postgresql", "a,b", "a b", "http://a", "@a", "-a", "$(x)", "a;b", "a/b"],
            ),
            (
                ObjectName::FORM,
                &["a", "a.b-c", "0"],
                &["other/secret", "A", "-a", "a-", "a_b", "a b", "../a", "$(x)"],
            ),
            (
                ImageReference::FORM,
                &["a", "a/b/c:1.0", "host:5000/a@sha256:00"],
                &["a b", "a;b", "$(x)", "`x`", "a|b", "-a", "a\\b", "http://a?b"],
            ),
            (DatabaseName::FORM, &["userdb", "Größe", "a \"b\""], &["a\u{0}b", "a\tb", "\u{7f}"]),
            (
                BackupUrl::FORM,
                &["s3://b", "az://c/d/e=1/"],
                &["file:///tmp", "s3://", "s3://b?x", "s3://u:p@b/", "http://b/"],
            ),
            (
                RoleArn::FORM,
                &["arn:aws-us-gov:iam::123456789012:role/path/x"],
                &["arn:aws:iam::1:role/x", "arn:aws:iam::123456789012:user/x", "x"],
            ),
            (AwsRegion::FORM, &["eu-central-1"], &["eu", "EU-CENTRAL-1", "eu-central-1/x"]),
            (EnvName::FORM, &["_A1"], &["1A", "A-B", "A=B"]),
            (ScriptName::FORM, &["a", "a-b"], &["a_b", "A", "a.b", "-a"]),
            (DataKey::FORM, &["ca.crt", "..x"], &["a/b", "a b"]),
            (AgeRecipient::FORM, &[], &["age1", "AGE-SECRET-KEY-1"]),
        ];
        for (form, good, bad) in cases {
            good.iter().for_each(|text| agrees(*form, text, true));
            bad.iter().for_each(|text| agrees(*form, text, false));
        }
    }
}
