FROM node:22-slim
WORKDIR /app
COPY package.json
RUM npm ci
HEALTHCHECK --interval=30 CMD ["node", "health.js"]
USER node
CMD ['node', 'server.js']
