//! Which runs live, and what the dead ones left.
//!
//! A run is dead when its row is gone. Only who finds that its lease ran out deletes it, in the
//! transaction in which it takes over what the run left: a heartbeat either came before, or finds
//! no row any more. So no run ever comes back to uploads that another one looks for.

use ::postgres::{GenericClient, Transaction};

use super::lease::{Lease, Moment};
use super::rows::{INTENT, NOW, Values, intent};
use super::trouble::Trouble;
use super::{Journal, mark};
use crate::core::error::Result;
use crate::core::journal::owner::Owner;
use crate::core::journal::place::failed;
use crate::core::journal::record::{Intent, Row, State};
use crate::core::model::Target;

impl Journal {
    pub fn begin(&self) -> Result<Owner> {
        let (name, address) = (mark(), self.0.address());
        let asked = Moment::now();
        self.step(|transaction| {
            bury(transaction)?;
            let sql = "INSERT INTO extracta_runs (name, until)
                       VALUES ($1, clock_timestamp() + make_interval(secs => $2))
                       ON CONFLICT (name) DO UPDATE SET until = excluded.until";
            transaction.execute(sql, &[&name, &address.lease().as_secs_f64()])?;
            Ok(())
        })?;
        let lease = Lease::begin(address.clone(), self.0.weakly(), name.clone(), asked);
        lease.map(|lease| Owner::of_lease(name, lease)).map_err(|error| failed(self.path(), &error))
    }

    pub fn hold(&self, owner: &Owner) -> Result<()> {
        let Some(lease) = owner.lease() else { return Ok(()) };
        if lease.check().is_ok() {
            return Ok(());
        }
        let asked = Moment::now();
        let length = self.0.address().lease().as_secs_f64();
        let lives = self.step(|transaction| Ok(renew(transaction, owner.name(), length)?))?;
        lease.renewed(asked, lives);
        lease.check()
    }

    pub fn take_over(&self, owner: &Owner, target: &Target) -> Result<Vec<Intent>> {
        self.step(|transaction| {
            bury(transaction)?;
            let condition = "b.kind = $2 AND b.target = $3
                             AND b.state IN ('uploading', 'lost', 'unknown')";
            take(transaction, owner, condition, &[&target.kind.name(), &target.id])
        })
    }

    pub fn take_over_one(&self, owner: &Owner, row: Row) -> Result<Option<Intent>> {
        self.step(|transaction| {
            bury(transaction)?;
            let condition = "b.id = $2 AND b.state IN ('uploading', 'lost')";
            Ok(take(transaction, owner, condition, &[&row])?.pop())
        })
    }
}

/// Prolongs a run's lease; `false` where it is dead.
pub(super) fn renew(
    client: &mut impl GenericClient,
    name: &str,
    length: f64,
) -> std::result::Result<bool, ::postgres::Error> {
    let sql = "UPDATE extracta_runs SET until = clock_timestamp() + make_interval(secs => $2)
               WHERE name = $1";
    Ok(client.execute(sql, &[&name, &length])? > 0)
}

/// Declares dead whose lease ran out. One that is prolonged at this moment is passed by.
pub(super) fn bury(transaction: &mut Transaction<'_>) -> std::result::Result<(), Trouble> {
    let sql = "DELETE FROM extracta_runs WHERE name IN (SELECT name FROM extracta_runs
               WHERE until <= clock_timestamp() FOR UPDATE SKIP LOCKED)";
    transaction.execute(sql, &[])?;
    Ok(())
}

/// Makes intents the owner's whose run is dead. What was the owner's already was made so by an
/// earlier try of the same step.
pub(super) fn take(
    transaction: &mut Transaction<'_>,
    owner: &Owner,
    condition: &str,
    values: Values<'_>,
) -> std::result::Result<Vec<Intent>, Trouble> {
    let sql = format!(
        "SELECT {INTENT}, {NOW} FROM extracta_batches b WHERE {condition} AND (b.owner IS NULL
         OR (b.owner = $1 AND b.state = 'lost')
         OR NOT EXISTS (SELECT 1 FROM extracta_runs r WHERE r.name = b.owner))
         ORDER BY b.id FOR UPDATE SKIP LOCKED"
    );
    let name = owner.name();
    let values: Vec<_> = std::iter::once(&name as _).chain(values.iter().copied()).collect();
    let mut taken = Vec::new();
    for row in transaction.query(&sql, &values)? {
        let (mut intent, now): (_, i64) = (intent(&row)?, row.try_get(7)?);
        let sending = intent.state == State::Uploading;
        // It sent nothing after its lease ran out, which was before now.
        let lost_at = intent.lost_at.filter(|_| !sending).unwrap_or(now);
        let sql = "UPDATE extracta_batches SET state = 'lost', owner = $2, lost_at = $3
                   WHERE id = $1";
        transaction.execute(sql, &[&intent.row, &name, &lost_at])?;
        intent.state = State::Lost;
        intent.lost_at = Some(lost_at);
        taken.push(intent);
    }
    Ok(taken)
}
