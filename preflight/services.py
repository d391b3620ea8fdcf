"""The services of a Mistle deployment, and its migration jobs, by the names that --service takes."""

SERVICES = (
    "control_plane_api",
    "control_plane_worker",
    "data_plane_api",
    "data_plane_gateway",
    "data_plane_worker",
    "dashboard",
    "control_plane_migrations",
    "data_plane_migrations",
)
