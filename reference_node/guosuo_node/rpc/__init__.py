"""gRPC: protobuf in and out, limits, errors; everything else is behind `app.services`."""
