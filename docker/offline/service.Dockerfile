# Built by build.sh: the same layout as docker/Dockerfile makes, with this machine's own node and packages.
FROM scratch
COPY node/ /
COPY --chown=1000:1000 data/ /
COPY packages/ /app/
COPY sources/ /app/
ARG SOURCES
LABEL org.syncproof.sources=$SOURCES
ENV PATH=/usr/local/bin:/usr/bin:/bin
ENV NODE_ENV=production
ENV HOST=0.0.0.0
ENV STORAGE_DIR=/data
ENV NODE_COMPILE_CACHE=/var/cache/node
WORKDIR /app
USER node
RUN ["node", "docker/warm.mjs"]
ENTRYPOINT ["node"]
CMD ["services/admin/main.ts"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s CMD ["node", "docker/healthcheck.mjs"]
