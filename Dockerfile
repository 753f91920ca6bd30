# The image that the chart runs. Build it at the root of the repository: docker build -t cofferdam .

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --package cofferdam \
    && cp target/dist/cofferdam /cofferdam

# The C library, CA certificates and an account without rights; neither a shell nor a package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /cofferdam /usr/local/bin/cofferdam
# As a number, so that a cluster can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/cofferdam"]
