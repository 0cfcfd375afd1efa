FROM eclipse-temurin:21-jdk-jammy AS build
WORKDIR /workspace
COPY mvnw pom.xml ./
COPY .mvn .mvn
RUN ./mvnw -B dependency:go-offline
COPY src src
RUN ./mvnw -B -DskipTests package && java -Djarmode=layertools -jar target/app.jar extract

FROM eclipse-temurin:21-jre-jammy
RUN groupadd --system spring && useradd --system --gid spring spring
WORKDIR /app
COPY --from=build /workspace/dependencies/ ./
COPY --from=build /workspace/spring-boot-loader/ ./
COPY --from=build /workspace/application/ ./
USER spring:spring
EXPOSE 8080
HEALTHCHECK --start-period=40s CMD ["java", "-version"]
ENTRYPOINT ["java", "org.springframework.boot.loader.launch.JarLauncher"]
