//! Who may do what with the table, its columns and its sequences.

use serde::Deserialize;

use cofferdam_core::fault::Result;

use super::catalog::ident;

/// One privilege of one role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Grant {
    pub(super) grantor: String,
    /// `None`: PUBLIC.
    pub(super) grantee: Option<String>,
    privilege: String,
    grantable: bool,
}

/// SQL for a list of [`Grant`]s in an `aclitem[]`: NULL where that is NULL.
pub(super) fn acl(column: &str) -> String {
    format!(
        "CASE WHEN {column} IS NULL THEN NULL ELSE (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'grantor', pg_catalog.pg_get_userbyid(e.grantor),
            'grantee', CASE WHEN e.grantee <> 0 THEN pg_catalog.pg_get_userbyid(e.grantee) END,
            'privilege', e.privilege_type, 'grantable', e.is_grantable) ORDER BY e.ordinality), '[]')
         FROM pg_catalog.aclexplode({column}) WITH ORDINALITY AS e) END"
    )
}

/// Roles to which the defaults of who makes a table or sequence (`kind`: `r`, `S`) give something at once.
pub(super) fn default_grantees(kind: char) -> String {
    format!(
        "SELECT DISTINCT CASE WHEN e.grantee <> 0 THEN pg_catalog.pg_get_userbyid(e.grantee) END AS grantee
         FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) e
         WHERE d.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
           AND d.defaclobjtype = '{kind}' AND d.defaclnamespace = 0 AND $1::oid IS NOT NULL ORDER BY 1"
    )
}

/// A row of [`default_grantees`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Grantee {
    grantee: Option<String>,
}

fn role(name: Option<&str>) -> Result<String> {
    name.map_or(Ok("PUBLIC".to_owned()), ident)
}

/// Gives `object` (`TABLE s.t`) these grants and no others. `None`: it has but its owner's. `leaked`: to whom
/// default privileges gave something when it was made.
pub(super) fn reset(
    object: &str,
    owner: &str,
    acl: Option<&[Grant]>,
    leaked: &[Grantee],
) -> Result<Vec<String>> {
    let owner = ident(owner)?;
    let mut out = Vec::new();
    let mut from = leaked.iter().map(|l| role(l.grantee.as_deref())).collect::<Result<Vec<_>>>()?;
    from.retain(|r| *r != owner);
    if !from.is_empty() {
        out.push(format!("REVOKE ALL ON {object} FROM {}", from.join(", ")));
    }
    match acl {
        None if leaked.is_empty() => {}
        None => out.push(format!("GRANT ALL ON {object} TO {owner}")),
        // In the order in which they stand there: dumps show them in it.
        Some(_) => out.push(format!("REVOKE ALL ON {object} FROM {owner}")),
    }
    Ok(out)
}

/// The statements that grant. `column`: the quoted column, for its own grants.
pub(super) fn grant(
    object: &str,
    column: Option<&str>,
    owner: &str,
    acl: &[Grant],
    by: By,
) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for group in
        acl.chunk_by(|a, b| (&a.grantor, &a.grantee, a.grantable) == (&b.grantor, &b.grantee, b.grantable))
    {
        let Some(first) = group.first() else { continue };
        if (first.grantor == owner) != (by == By::Owner) {
            continue;
        }
        let privileges: Vec<String> = group
            .iter()
            .map(|g| match column {
                Some(column) => format!("{} ({column})", g.privilege),
                None => g.privilege.clone(),
            })
            .collect();
        let option = if first.grantable { " WITH GRANT OPTION" } else { "" };
        let statement = format!(
            "GRANT {} ON {object} TO {}{option}",
            privileges.join(", "),
            role(first.grantee.as_deref())?
        );
        out.push(match by {
            By::Owner => statement,
            By::Others => {
                format!("SET LOCAL ROLE {}; {statement}; RESET ROLE", ident(&first.grantor)?)
            }
        });
    }
    Ok(out)
}

/// Whose grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The owner's, which can be made before anybody may see the table.
    Owner,
    /// Those of roles that hold a grant option: they can be made only where these roles may go.
    Others,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(grantor: &str, grantee: Option<&str>, privilege: &str, grantable: bool) -> Grant {
        Grant {
            grantor: grantor.into(),
            grantee: grantee.map(Into::into),
            privilege: privilege.into(),
            grantable,
        }
    }

    #[test]
    fn neighbours_of_one_kind_are_one_statement() {
        let acl = [
            of("o", Some("o"), "SELECT", false),
            of("o", Some("o"), "INSERT", false),
            of("o", Some("x y"), "SELECT", true),
            of("x y", None, "SELECT", false),
        ];
        assert_eq!(
            grant("TABLE a.t", None, "o", &acl, By::Owner).unwrap(),
            [
                "GRANT SELECT, INSERT ON TABLE a.t TO \"o\"",
                "GRANT SELECT ON TABLE a.t TO \"x y\" WITH GRANT OPTION"
            ]
        );
        assert_eq!(
            grant("TABLE a.t", Some("\"c\""), "o", &acl, By::Others).unwrap(),
            ["SET LOCAL ROLE \"x y\"; GRANT SELECT (\"c\") ON TABLE a.t TO PUBLIC; RESET ROLE"]
        );
    }
}
