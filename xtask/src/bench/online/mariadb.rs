//! What `mysql` measures, on MariaDB.

use cofferdam_scratch::mysql::Kind;
use serde_json::Value;

use super::super::Asked;
use super::super::product::Product;
use super::mysql;

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    mysql::on(asked, product, Kind::MariaDb)
}
