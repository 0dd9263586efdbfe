"""No code comes out of the feature store's registry.

Feast keeps Python functions in its registry (transformations of a view, as source text or as pickles) and names of
classes (of data sources). It runs the ones and imports the others when it reads a view. RecoMart registers no function,
and classes of Feast only. But a registry may also come from a DVC remote or a database, and whoever can write there
could run code in each project that reads it. So a registry that contains any is not opened.
"""

from __future__ import annotations

import sqlalchemy as sa

from recomart_lib.core.errors import UserError
from recomart_lib.features import registry_history

WITH_FUNCTIONS = ("on_demand_feature_views", "stream_feature_views", "validation_references")
VIEWS = ("feature_views", "feature_view_version_history")
OF_FEAST = "feast."


def require_none(url: str, project: str) -> None:
    """Check the views of a project in Feast's registry.

    Raises
    ------
    UserError
        If one contains a function or names a class that is not Feast's, or cannot be read.
    """
    with registry_history.readable(url), registry_history.engine(url).connect() as connection:
        present = set(sa.inspect(connection).get_table_names())
        for table in WITH_FUNCTIONS:
            if table in present and _rows(connection, table, sa.column("project_id"), project):
                raise _refused(url, f"its table {table} has views with Python functions")
        for table in VIEWS:
            for content in (
                _rows(connection, table, sa.column("feature_view_proto"), project) if table in present else ()
            ):
                _require_plain(url, content)


def _rows(connection: sa.Connection, table: str, column: sa.ColumnClause, project: str) -> list:
    query = sa.select(column).select_from(sa.table(table)).where(sa.column("project_id") == project)
    return list(connection.scalars(query))


def _require_plain(url: str, content: bytes) -> None:
    from feast.protos.feast.core.FeatureView_pb2 import FeatureView  # slow: see `feast_store`
    from google.protobuf.message import DecodeError

    try:
        view = FeatureView.FromString(content)
    except DecodeError as problem:
        raise _refused(url, f"a view in it cannot be read ({problem})") from problem
    spec = view.spec
    if spec.HasField("feature_transformation"):
        raise _refused(url, f"its view {spec.name!r} contains a Python function")
    if spec.source_views or spec.HasField("stream_source"):
        raise _refused(url, f"its view {spec.name!r} reads other views or a stream")
    if not spec.batch_source.data_source_class_type.startswith(OF_FEAST):
        raise _refused(url, f"its view {spec.name!r} names the class {spec.batch_source.data_source_class_type!r}")


def _refused(url: str, what: str) -> UserError:
    location = sa.make_url(url).render_as_string()
    return UserError(
        f"The feature store's registry was not opened, because RecoMart did not write it: {what}. It is {location}. "
        f"If you do not know who changed it, see docs/security.md. {registry_history.ADVICE}"
    )
