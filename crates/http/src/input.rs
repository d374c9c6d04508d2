use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use keyward_auth::{Idempotency, Visitor};
use keyward_core::{Id, LegacyId};
use keyward_crypto::{ApiKeyId, MacRing};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::Problem;
use crate::body;
use crate::call::Call;
use crate::openapi::{OperationDoc, Shape};
use crate::problem::FieldError;

/// Something that a handler reads from a request.
pub(crate) trait Input: Sized {
    fn read(call: &Call, macs: &MacRing) -> Result<Self, Problem>;

    fn describe(doc: &mut OperationDoc);
}

impl Input for () {
    fn read(_: &Call, _: &MacRing) -> Result<Self, Problem> {
        Ok(())
    }

    fn describe(_: &mut OperationDoc) {}
}

impl<A: Input, B: Input> Input for (A, B) {
    fn read(call: &Call, macs: &MacRing) -> Result<Self, Problem> {
        Ok((A::read(call, macs)?, B::read(call, macs)?))
    }

    fn describe(doc: &mut OperationDoc) {
        A::describe(doc);
        B::describe(doc);
    }
}

impl<A: Input, B: Input, C: Input> Input for (A, B, C) {
    fn read(call: &Call, macs: &MacRing) -> Result<Self, Problem> {
        Ok((
            A::read(call, macs)?,
            B::read(call, macs)?,
            C::read(call, macs)?,
        ))
    }

    fn describe(doc: &mut OperationDoc) {
        A::describe(doc);
        B::describe(doc);
        C::describe(doc);
    }
}

/// The JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema> Input for Body<T> {
    fn read(call: &Call, _: &MacRing) -> Result<Self, Problem> {
        body::parse(&call.body).map(Self)
    }

    fn describe(doc: &mut OperationDoc) {
        doc.body = Some(Shape::of::<T>());
    }
}

/// Where the request comes from.
impl Input for Visitor {
    fn read(call: &Call, _: &MacRing) -> Result<Self, Problem> {
        Ok(call.visitor())
    }

    fn describe(doc: &mut OperationDoc) {
        doc.limited = true;
    }
}

/// The attempt that the client named with `Idempotency-Key`.
pub(crate) struct Attempt(pub(crate) Option<Idempotency>);

impl Input for Attempt {
    fn read(call: &Call, macs: &MacRing) -> Result<Self, Problem> {
        call.attempt(macs).map(Self)
    }

    fn describe(doc: &mut OperationDoc) {
        doc.idempotent = true;
    }
}

/// The first parameter of the path. What is no id cannot be the id of anything, so it is 404.
pub(crate) struct At<T>(pub(crate) T);

impl<T: PathValue> Input for At<T> {
    fn read(call: &Call, _: &MacRing) -> Result<Self, Problem> {
        path_value(call, 0).map(Self)
    }

    fn describe(doc: &mut OperationDoc) {
        doc.path.push(T::FORMAT);
    }
}

/// The second parameter of the path.
pub(crate) struct Within<T>(pub(crate) T);

impl<T: PathValue> Input for Within<T> {
    fn read(call: &Call, _: &MacRing) -> Result<Self, Problem> {
        path_value(call, 1).map(Self)
    }

    fn describe(doc: &mut OperationDoc) {
        doc.path.push(T::FORMAT);
    }
}

fn path_value<T: PathValue>(call: &Call, place: usize) -> Result<T, Problem> {
    call.path
        .get(place)
        .and_then(|text| T::parse_path(text))
        .ok_or_else(Problem::not_found)
}

/// A value that can stand in a path.
pub(crate) trait PathValue: Sized {
    /// What the OpenAPI document says of it.
    const FORMAT: &'static str;

    fn parse_path(text: &str) -> Option<Self>;
}

impl<Of> PathValue for Id<Of> {
    const FORMAT: &'static str = "uuid";

    fn parse_path(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl PathValue for ApiKeyId {
    const FORMAT: &'static str = "key-id";

    fn parse_path(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// `?limit=` and `?cursor=` of a list.
pub(crate) struct Page<Cursor> {
    pub(crate) limit: usize,
    pub(crate) after: Option<Cursor>,
}

/// One more than asked for, to see whether there is a next page.
pub(crate) fn fetch(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPage {
    limit: Option<String>,
    cursor: Option<String>,
}

impl<Cursor: FromStr> Input for Page<Cursor> {
    fn read(call: &Call, _: &MacRing) -> Result<Self, Problem> {
        let raw: RawPage = query(call, "the query may have `limit` and `cursor`, once each")?;
        Self::parse(raw.limit.as_deref(), raw.cursor.as_deref())
    }

    fn describe(doc: &mut OperationDoc) {
        doc.paged = true;
    }
}

impl<Cursor: FromStr> Page<Cursor> {
    fn parse(limit: Option<&str>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = match limit.map(usize::from_str) {
            None => DEFAULT_LIMIT,
            Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
            Some(_) => return Err(invalid("limit", "expected a number from 1 to 200")),
        };
        let after = cursor.map(Cursor::from_str).transpose();
        let after =
            after.map_err(|_| invalid("cursor", "expected the `next` of an earlier page"))?;
        Ok(Self { limit, after })
    }
}

/// A page, or with `?legacy_id=` what was imported under that number.
pub(crate) struct Listed<Cursor> {
    pub(crate) page: Page<Cursor>,
    pub(crate) legacy_id: Option<LegacyId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawListed {
    limit: Option<String>,
    cursor: Option<String>,
    legacy_id: Option<String>,
}

impl<Cursor: FromStr> Input for Listed<Cursor> {
    fn read(call: &Call, _: &MacRing) -> Result<Self, Problem> {
        let known = "the query may have `limit`, `cursor` and `legacy_id`, once each";
        let raw: RawListed = query(call, known)?;
        let legacy_id = raw.legacy_id.as_deref().map(i64::from_str).transpose();
        let legacy_id = legacy_id.map_err(|_| invalid("legacy_id", "expected a number"))?;
        Ok(Self {
            page: Page::parse(raw.limit.as_deref(), raw.cursor.as_deref())?,
            legacy_id: legacy_id.map(LegacyId),
        })
    }

    fn describe(doc: &mut OperationDoc) {
        doc.paged = true;
        doc.by_legacy_id = true;
    }
}

fn query<T: DeserializeOwned>(call: &Call, known: &'static str) -> Result<T, Problem> {
    let query = actix_web::web::Query::<T>::from_query(&call.query);
    query
        .map(actix_web::web::Query::into_inner)
        .map_err(|_| Problem::malformed(known))
}

fn invalid(field: &'static str, problem: &'static str) -> Problem {
    Problem::invalid(vec![FieldError::new(field, problem)])
}

/// One page of a list.
#[derive(serde::Serialize)]
pub(crate) struct Listing<T> {
    items: Vec<T>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// By hand, because the derive of a generic type leaves the schema of its items out of the
/// document.
impl<T: ToSchema> ToSchema for Listing<T> {
    fn name() -> Cow<'static, str> {
        format!("Listing_{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Listing<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        let next = ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
            .description(Some("The cursor of the next page; null on the last."));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", items)
            .property("next", next)
            .required("items")
            .required("next")
            .into()
    }
}

impl<T> Listing<T> {
    /// Cuts what was fetched to the page, and names the next one after its last item.
    pub(crate) fn cut(limit: usize, mut items: Vec<T>, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

/// An id as a cursor.
pub(crate) struct IdCursor<Of>(pub(crate) Id<Of>);

impl<Of> FromStr for IdCursor<Of> {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Id::parse(text).map(Self).map_err(|_| Problem::not_found())
    }
}

/// Parses a field of a body, and names it when it is not valid.
pub(crate) fn field<T, E: Display>(
    name: &str,
    parsed: Result<T, E>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    parsed
        .map_err(|error| errors.push(FieldError::new(name, error)))
        .ok()
}

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;
