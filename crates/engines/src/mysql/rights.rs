//! What the user may not do, before anything is begun.
//!
//! Only what is certainly missing is named: where grants cannot be read, nothing is, and the server refuses by itself.

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::Plan;
use cofferdam_core::fault::Result;

use super::link;
use super::session::MySqlSession;
use super::tables::PREFIX;
use super::{Flavour, errors, names};
use crate::Missing;

mod grants;
mod needs;

use grants::Grants;
use needs::Need;

/// What Cofferdam does with its own tables.
const OWN: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Everything that the plans need and the user lacks, with what gives it.
pub(super) async fn missing(session: &mut MySqlSession, plans: &[&Plan]) -> Result<Vec<Missing>> {
    let Some(grants) = read(session).await? else { return Ok(Vec::new()) };
    let database = session.database.clone();
    let user = me(session).await?;
    let mut lacks: BTreeMap<(String, String), Vec<&'static str>> = BTreeMap::new();
    let own = format!("{PREFIX}history");
    let create = if session.installed().await? { None } else { Some("CREATE") };
    for right in OWN.into_iter().chain(create).filter(|right| !grants.give(right, &database, &own)) {
        lacks.entry((database.clone(), String::new())).or_default().push(right);
    }
    let needs: BTreeSet<Need> = plans.iter().flat_map(|plan| needs::needs(plan)).collect();
    for Need { right, on } in needs {
        let schema = on.schema.unwrap_or_else(|| database.clone());
        if !grants.give(right, &schema, &on.name) {
            lacks.entry((schema, on.name)).or_default().push(right);
        }
    }
    let missing = lacks.into_iter().map(|((schema, table), rights)| {
        let rights = rights.join(", ");
        let (what, on) = match table.as_str() {
            "" => {
                ("Cofferdam's own tables, _cofferdam_*,".to_owned(), format!("{}.*", names::quoted(&schema)?))
            }
            table => (table.to_owned(), format!("{}.{}", names::quoted(&schema)?, names::quoted(table)?)),
        };
        Ok(Missing {
            what: format!("{rights} on {what} in database {schema}"),
            grant: format!("GRANT {rights} ON {on} TO {user};"),
        })
    });
    missing.collect()
}

/// The account that the server took us for, as GRANT wants it.
async fn me(session: &mut MySqlSession) -> Result<String> {
    let rows = session.link.rows("SELECT CURRENT_USER()", vec![]).await;
    let rows = rows.map_err(|e| errors::fault(e, "asking who we are"))?;
    let said = rows.first().and_then(|row| link::text(row, 0)).unwrap_or_default();
    let (user, host) = said.rsplit_once('@').unwrap_or((&said, "%"));
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    Ok(format!("{}@{}", quoted(user), quoted(host)))
}

/// All that is granted to the user and to the roles that are active; `None`: it cannot be read.
async fn read(session: &mut MySqlSession) -> Result<Option<Grants>> {
    let link = &mut session.link;
    let rows = link.rows("SELECT CURRENT_ROLE()", vec![]).await;
    let roles = match rows {
        Ok(rows) => rows.first().and_then(|row| link::text(row, 0)).unwrap_or_default(),
        Err(mysql_async::Error::Server(_)) => return Ok(None),
        Err(e) => return Err(errors::fault(e, "asking for rights")),
    };
    let roles = if roles == "NONE" { String::new() } else { roles };
    let mut asked: Vec<(String, bool)> = Vec::new();
    match link.flavour {
        Flavour::MySql if !roles.is_empty() => {
            asked.push((format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"), true));
        }
        Flavour::MySql => asked.push(("SHOW GRANTS FOR CURRENT_USER()".into(), true)),
        Flavour::MariaDb => {
            asked.push(("SHOW GRANTS FOR CURRENT_USER()".into(), true));
            if !roles.is_empty() {
                asked.push(("SHOW GRANTS FOR CURRENT_ROLE()".into(), true));
            }
            // What everybody has; older servers do not know it.
            asked.push(("SHOW GRANTS FOR PUBLIC".into(), false));
        }
    }
    let mut grants = Grants::default();
    for (sql, needed) in asked {
        match link.said(&sql).await {
            Ok(rows) => rows.iter().filter_map(|row| link::text(row, 0)).for_each(|line| grants.add(&line)),
            Err(mysql_async::Error::Server(_)) if needed => return Ok(None),
            Err(mysql_async::Error::Server(_)) => {}
            Err(e) => return Err(errors::fault(e, "asking for rights")),
        }
    }
    Ok(Some(grants))
}
