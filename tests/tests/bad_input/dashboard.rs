//! What may be asked wrongly of the dashboard.

use crate::wrong::{Wrong, get};

pub const WRONG: &[Wrong] = &[
    get("/api/v1/dashboard/conversion-funnel?from=soon", 422, "from"),
    get(
        "/api/v1/dashboard/conversion-funnel?from=2026-02-01&to=2026-01-01",
        422,
        "from",
    ),
    get(
        "/api/v1/dashboard/conversion-funnel?from=2026-11-21T08:30:00",
        422,
        "from",
    ),
    get("/api/v1/dashboard?to=yesterday", 422, "to"),
    get(
        "/api/v1/dashboard?to=2026-11-21T08:30:00%2B02:00[Europe/Kyiv]",
        422,
        "to",
    ),
    get("/api/v1/dashboard?since=2026-11-21", 422, "since"),
    get(
        "/api/v1/dashboard/leads-by-stage?from=20261121",
        422,
        "from",
    ),
    get(
        "/api/v1/dashboard/sales-by-stage?from=2026-11-21T10:00:00Z&to=2026-11-21T09:00:00Z",
        422,
        "from",
    ),
];
