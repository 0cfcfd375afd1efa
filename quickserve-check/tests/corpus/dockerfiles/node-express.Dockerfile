FROM node:22.11-bookworm-slim AS deps
WORKDIR /srv/app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev

FROM node:22.11-bookworm-slim
ENV NODE_ENV=production PORT=3000
WORKDIR /srv/app
COPY --from=deps /srv/app/node_modules ./node_modules
COPY src ./src
USER node
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=3s CMD ["node", "src/health.js"]
CMD ["node", "src/index.js"]
